"""The databases that can hold tables; each one behind the same few verbs."""
