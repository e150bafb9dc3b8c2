// `store drill`: treats a node as lost, and shows whether the others make up for it. Changes nothing.

import type { DrillReport } from '../src/client/care/types.ts';
import { parseCount } from './args.ts';
import type { ClientFlags, CommandSpec } from './command.ts';
import { EXIT } from './errors.ts';
import { KEY_OPTIONS } from './names.ts';

export const drill: CommandSpec = {
  name: 'drill',
  summary: 'treat a node as lost: rebuild some of its pieces from the others, change nothing',
  operands: '<node>',
  options: [
    {
      flags: '--sample <count>',
      help: 'pieces to rebuild, drawn by lot (default: 16)',
      parse: parseCount(1, 100_000),
    },
    ...KEY_OPTIONS,
  ],
  details: `NODE is its id or the first digits. Pieces are those of objects that have a name of
this key or were put from this home. Each is made in the memory of this
process from pieces of other holders, and has to have the root on the chain.

Exit code 0: all could be made; 4: some could not.`,
  async run(context, [node], flags) {
    const { withStore } = await import('./open.ts');
    const sample = flags['sample'] as number | undefined;
    const report = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.care.drill(node!, { ...events, ...(sample === undefined ? {} : { sample }) }),
    );
    context.output.result(await describe(report), { ...report });
    return report.rebuilt < report.pieces.length ? EXIT.PARTIAL : EXIT.OK;
  },
};

async function describe(report: DrillReport): Promise<string> {
  const { fields, formatBytes, formatDuration, formatRate, plural } = await import('./format.ts');
  const { node, standing, held, pieces, rebuilt, rebuiltBytes, fetchedBytes, durationMs } = report;
  const rate = formatRate((rebuiltBytes / Math.max(1, durationMs)) * 1000);
  const failed = pieces.filter(({ isRebuilt }) => !isRebuilt);
  return [
    fields([
      ['node', `${node}, ${standing}: treated as lost`],
      ['holds', `${plural(held, 'piece')} of yours, of which ${pieces.length} were drawn`],
      ['rebuilt', `${rebuilt} of ${pieces.length} from others, each with the root on the chain`],
      [
        'took',
        `${formatDuration(durationMs)} for ${formatBytes(rebuiltBytes)} (${rate}), ${formatBytes(fetchedBytes)} fetched`,
      ],
    ]),
    ...failed.map(
      ({ object, segment, piece, problem }) =>
        `piece ${piece} of segment ${segment} of ${object}: ${problem}`,
    ),
  ].join('\n');
}
