"""The two homes of a document's records: its file and its tables."""
