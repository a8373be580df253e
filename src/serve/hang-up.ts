// SIGHUP, on which `serve` reads its configuration again. A process that does not catch it is ended by it (signal(7)).

export interface HangUps {
  /** Calls `heard` for each SIGHUP from now on, and once at once when one came before. */
  follow(heard: () => void): void;
  /** Does nothing on SIGHUP from now on. */
  ignore(): void;
}

/** Catches SIGHUP from now on: also one that comes before there is anything to reload, or while everything ends. */
export function heedHangUps(): HangUps {
  let missed = false;
  let tell = (): void => {
    missed = true;
  };
  process.on('SIGHUP', () => tell());
  return {
    follow(heard) {
      tell = heard;
      if (missed) heard();
    },
    ignore() {
      tell = () => undefined;
    },
  };
}
