// The dashboard for Grafana as the tests read it: its panels, and what they ask of Prometheus.
export interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly description: string;
    readonly gridPos: { readonly x: number; readonly y: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}

/** Every query, with the panel that it stands in. */
export function expressionsOf({
  panels,
}: Dashboard): readonly { readonly title: string; readonly expr: string }[] {
  return panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));
}
