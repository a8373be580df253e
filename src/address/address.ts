// What an address is to this program, once it is normalised.

/**
 * A normalised address: `local@domain`, the domain an A-label in lower case, the local part unquoted where it can be,
 * in lower case unless its domain says otherwise. Made only by `normalise.ts`.
 */
export type Address = string & { readonly __brand: 'Address' };
