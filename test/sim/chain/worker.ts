// A process that runs seeds for a campaign, one after the other, as it is told: `Order` in, `Report` out.

import { beginSharing } from './once/sharing.ts';
import { shareWork } from './once/hooks.ts';
import type { ChainRunResult } from './run.ts';

export interface Order {
  readonly seed: number;
  /** Every node does all of its work itself. */
  readonly isPlain: boolean;
}

export interface Report {
  readonly order: Order;
  readonly result: Omit<ChainRunResult, 'tally'>;
  readonly happened: readonly (readonly [string, number])[];
  /** Processor time that it took. */
  readonly cpuSeconds: number;
}

shareWork();
// Now, so that it gets what is shared.
const { runChain } = await import('./run.ts');
// Errors are the common way to say no here, and nobody reads where they come from: a single seed tells.
Error.stackTraceLimit = 0;

async function obey(order: Order): Promise<Report> {
  const before = process.cpuUsage();
  beginSharing(!order.isPlain);
  const { tally, ...result } = await runChain(order.seed);
  const { user, system } = process.cpuUsage(before);
  return { order, result, happened: tally.entries(), cpuSeconds: (user + system) / 1e6 };
}

process.on('message', (order: Order) => {
  void obey(order).then((report) => process.send?.(report));
});
// The campaign is over, or gone.
process.on('disconnect', () => process.exit());
process.send?.('ready');
