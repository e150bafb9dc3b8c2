// `store sim`: what becomes of data in a network of this kind within some time, on a virtual clock: the real placement, audit and repair decisions.

import { parseCode, parseCount, parseSize } from './args.ts';
import type { CommandSpec } from './command.ts';
import { parseDisaster, parseRate, type SimFlags } from './sim-flags.ts';

export const sim: CommandSpec = {
  name: 'sim',
  summary: 'forecast durability and repair traffic of a network, on a virtual clock',
  operands: '',
  options: [
    {
      flags: '--nodes <count>',
      help: 'nodes, each with an operator of its own',
      parse: parseCount(2, 1000),
      fallback: '40',
    },
    {
      flags: '--churn <share/period>',
      help: 'nodes lost for good with their disks',
      parse: parseRate,
      fallback: '10%/month',
    },
    { flags: '--days <count>', help: 'virtual days', parse: parseCount(1, 36_525), fallback: '365' },
    {
      flags: '--seed <number>',
      help: 'the same seed gives the same run',
      parse: parseCount(0, 2 ** 48),
      fallback: '7',
    },
    {
      flags: '--segments <count>',
      help: 'segments of objects',
      parse: parseCount(1, 10_000_000),
      fallback: '100000',
    },
    {
      flags: '--segment-size <size>',
      help: 'bytes of data in each',
      parse: parseSize(1024, 64 * 1024 ** 2),
      fallback: '16MiB',
    },
    {
      flags: '--code <k/n>',
      help: 'pieces that rebuild a segment, and pieces made (default: by nodes)',
      parse: parseCode,
    },
    {
      flags: '--outages <count/period>',
      help: 'how often a node is away and comes back',
      parse: parseRate,
      fallback: '0/month',
    },
    {
      flags: '--outage-hours <hours>',
      help: 'for how long, on average',
      parse: parseCount(1, 1000),
      fallback: '3',
    },
    {
      flags: '--rot <count/period>',
      help: 'how often a node silently loses a hundredth of its pieces',
      parse: parseRate,
      fallback: '0/month',
    },
    { flags: '--rebalance', help: 'move pieces to nodes that join, not only by repair' },
    {
      flags: '--disaster <share@day>',
      help: 'a share of all nodes is lost within a minute, as in 30%@180',
      parse: parseDisaster,
    },
    {
      flags: '--uplink <size>',
      help: 'bytes per second of a node; repair has a quarter of it, urgent repair all',
      parse: parseSize(1024, 1024 ** 4),
      fallback: '12.5MB',
    },
  ],
  details: `Nothing is stored and no network is asked. Placement, the standing of nodes that
fall silent, and when, in which order and by whom is repaired are what nodes run.
What the run and the model beside it leave out: docs/durability.md. The last line
is the command that repeats the run, incidents and all.`,
  async run(context, _, flags) {
    const { runForecast } = await import('./sim-run.ts');
    await runForecast(context, flags as unknown as SimFlags);
    return undefined;
  },
};
