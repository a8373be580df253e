/** See report.mjs. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
  readonly secondAttempts: readonly string[];
}

export interface VitestTest {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
  readonly meta?: { readonly needs?: readonly string[] };
}

export interface VitestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly VitestTest[];
  }[];
}

export const root: string;
export function createReport(missing?: readonly { readonly name: string; readonly reason: string }[]): Report;
export function count(report: Report, result: VitestResult): void;
export function skip(report: Report, what: string, reason: string): void;
export function finish(report: Report, say?: (text: string) => void): number;
