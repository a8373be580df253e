// Who is sealed to, for those who count users or look for those who are not.
/** SQL: the id of each user who is sealed to, by an active key of their own or of their domain. */
export const KEYED_USERS = `SELECT u.id FROM users AS u
  WHERE EXISTS (SELECT 1 FROM keys AS k WHERE k.user_id = u.id AND k.status = 'active')
     OR EXISTS (SELECT 1 FROM keys AS k WHERE k.domain_id = u.domain_id AND k.status = 'active')`;
