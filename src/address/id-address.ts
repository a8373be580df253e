// The fixed address of a mailbox owner, `id_123@domain`: it survives every rename.
const ID_ADDRESS = /^id_(0|[1-9]\d{0,9})$/i;
const LARGEST_ID = 2 ** 31 - 1;

/**
 * The user id that a local part names.
 * @param local unquoted, without extension
 * @returns null where it is no id address
 */
export function userIdOf(local: string): number | null {
  const digits = ID_ADDRESS.exec(local)?.[1];
  if (digits === undefined) return null;
  const id = Number(digits);
  return id <= LARGEST_ID ? id : null;
}

/** Whether a local part is reserved for id addresses: nobody may be given it. */
export function isReservedLocalPart(local: string): boolean {
  return /^id_\d+$/i.test(local);
}
