-- Targets of aliases that were there before their user name that user by id, as those added later do: a rename or removal of
-- the user, and a key for the alias, follow the id. A target with an extension is linked by the next rename or removal, since
-- only the configuration knows recipient_delimiter.
UPDATE alias_targets AS t
   SET target = a.address, target_user_id = a.user_id
  FROM addresses AS a
  JOIN domains AS d ON d.name = a.domain
 WHERE t.target_user_id IS NULL
   AND a.kind = 'user'
   AND a.address IN (t.target, lower(t.target))
   AND (d.fold_local_part OR a.address = t.target);
