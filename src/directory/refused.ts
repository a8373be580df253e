// A change of the directory or of the keys that is not made. Its message is for the administrator: what was found, what was
// expected, and the command that helps.
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused';
}
