export function maintainerOf(
  environment: Readonly<Record<string, string | undefined>>,
  author: string,
  account: string,
): string;
export function authorOfLastCommit(root: string): string;
export function accountHere(): string;
