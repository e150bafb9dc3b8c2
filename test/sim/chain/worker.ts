// A process that runs seeds for a campaign, one after the other, as it is told: an order comes in, a report goes out.

import { shareWork } from './once/hooks.ts';
import { beginSharing } from './once/sharing.ts';
import type { ChainRunResult } from './run.ts';

export interface Order {
  readonly seed: number;
  /** Every node does all of its work itself. */
  readonly isPlain: boolean;
}

export interface Report {
  readonly result: Omit<ChainRunResult, 'tally'>;
  readonly happened: readonly (readonly [string, number])[];
  /** Processor time since the report before, or since the process began. */
  readonly cpuSeconds: number;
}

shareWork();
// Now, so that it gets what is shared.
const { runChain } = await import('./run.ts');
// Errors are the common way to say no here, and nobody reads where they come from: a single seed tells.
Error.stackTraceLimit = 0;
let reported: NodeJS.CpuUsage = { user: 0, system: 0 };

async function obey({ seed, isPlain }: Order): Promise<void> {
  beginSharing(!isPlain);
  const { tally, ...result } = await runChain(seed);
  const { user, system } = process.cpuUsage(reported);
  reported = process.cpuUsage();
  const report: Report = { result, happened: tally.entries(), cpuSeconds: (user + system) / 1e6 };
  process.send?.(report);
}

process.on('message', (order: Order) => void obey(order));
// The campaign is over, or gone.
process.on('disconnect', () => process.exit());
