export function notBuilt(..._given: readonly unknown[]): never {
  throw new Error('not built yet');
}
