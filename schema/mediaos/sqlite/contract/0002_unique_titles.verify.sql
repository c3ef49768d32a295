-- Items of one kind that share a title.

SELECT id, kind, title FROM library_items
 WHERE (kind, title_key) IN (SELECT kind, title_key FROM library_items GROUP BY kind, title_key HAVING count(*) > 1)
 ORDER BY kind, title_key, position;
