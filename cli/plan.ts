// `store plan`: what a change of the network would take, before anybody makes it.

import type { RemovalPlan } from '../src/client/care/types.ts';
import { StoreError } from '../src/base/errors.ts';
import { parseSize } from './args.ts';
import type { ClientFlags, CommandSpec } from './command.ts';
import { KEY_OPTIONS } from './names.ts';

const ACTIONS = ['remove'] as const;

export const plan: CommandSpec = {
  name: 'plan',
  summary: 'show what it would take to take a node out: bytes, hours, lowest margin',
  operands: '<action> <node>',
  completes: ACTIONS,
  options: [
    {
      flags: '--rate <size>',
      help: 'bytes moved in a second (default: 10MiB)',
      parse: parseSize(1024, 1024 ** 4),
    },
    ...KEY_OPTIONS,
  ],
  details: `store plan remove NODE changes nothing. NODE is its id or the first digits. Margins
are those of the objects that have a name of this key or were put from this
home: the chain does not say which objects of others a node holds.`,
  async run(context, [action, node], flags) {
    const { withStore } = await import('./open.ts');
    const { proofJson } = await import('./open-chain.ts');
    if (!(ACTIONS as readonly string[]).includes(action!)) {
      throw new StoreError('INVALID_ARGUMENT', `there is no plan "${action}"`, {
        next: 'Run: store plan remove NODE.',
      });
    }
    const rate = flags['rate'] as number | undefined;
    const found = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.care.plan(node!, { ...events, ...(rate === undefined ? {} : { bytesPerSecond: rate }) }),
    );
    const { height, timeMs, ...rest } = found;
    const moment = { height, timeMs, epoch: 0 as never };
    context.output.result(await describe(found), { ...rest, ...proofJson(moment) });
    return undefined;
  },
};

async function describe(found: RemovalPlan): Promise<string> {
  const { fields, formatBytes, formatDuration, formatRate, plural } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { bytes, freeBytes, hours, lowestMargin, lowestMarginAtOnce } = found;
  const room =
    freeBytes >= bytes ? 'which is enough' : `which is ${formatBytes(bytes - freeBytes)} too little`;
  return [
    fields([
      ['node', `${found.node}, ${found.standing}`],
      ['to move', `${formatBytes(bytes)}, as of the last round that it answered`],
      ['time', `${formatDuration(hours * 3_600_000)} at ${formatRate(found.bytesPerSecond)}`],
      [
        'taken by',
        `${plural(found.takers, 'healthy member')} of ${plural(found.operators, 'operator')} with ${formatBytes(freeBytes)} free, ${room}`,
      ],
      ['of yours', `${plural(found.ownPieces, 'piece')}, ${formatBytes(found.ownBytes)}`],
      [
        'margin',
        lowestMargin === null
          ? 'nothing of yours is there'
          : `${lowestMargin} at the lowest while it hands over, ${lowestMarginAtOnce} if it goes at once`,
      ],
    ]),
    ...(found.operators < 4
      ? ['With so few operators codes of more pieces find no other place for them.']
      : []),
    proofLine({ height: found.height, timeMs: found.timeMs, epoch: 0 as never }),
  ].join('\n\n');
}
