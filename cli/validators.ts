// `store validators`: who decides blocks in an epoch, with what power, and how they did their turns.

import type { SetEntry } from '../src/shards/validator-sets.ts';
import type { Turns } from '../src/shards/turns.ts';
import type { Answer } from '../src/client/chain/types.ts';
import { StoreError } from '../src/base/errors.ts';
import { parseCount } from './args.ts';
import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';

const EPOCH_MAX = 2 ** 32 - 1;

export const validators: CommandSpec = {
  name: 'validators',
  summary: 'show who decides blocks: power, operator, turns, and the next set',
  operands: '',
  options: [
    {
      flags: '--epoch <number>',
      help: 'of this epoch instead of the running one; the next two are settled already',
      parse: parseCount(0, EPOCH_MAX),
    },
    ...CLIENT_OPTIONS,
  ],
  details: `Turns are blocks proposed and turns missed in the running epoch. "next" is the
power in the epoch after the one shown. All of it is proven by the header that
the last line names. "store stake show NODE" tells more of one of them.`,
  async run(context, _, flags) {
    const { withChain, proofJson } = await import('./open-chain.ts');
    const epoch = flags['epoch'] as number | undefined;
    const answer = await withChain(context, flags as ClientFlags, async (chain, signal) => {
      const { readValidators } = await import('./validators-read.ts');
      return chain.read((state) => readValidators(state, epoch), { signal });
    });
    const { value } = answer;
    if (value.rows === undefined) throw unknownEpoch(epoch!, value);
    const { epoch: shown, running, totalPower, next } = value;
    context.output.result(await describeSet({ ...answer, value: { ...value, rows: value.rows } }), {
      ...proofJson(answer),
      epoch: shown,
      runningEpoch: running,
      totalPower,
      validators: value.rows.map(rowJson),
      nextEpoch: next === undefined ? null : shown + 1,
      next: next === undefined ? null : next.map(entryJson),
    });
    return undefined;
  },
};

export interface ValidatorRow extends SetEntry {
  readonly isJailed: boolean;
  readonly isTombstoned: boolean;
  /** In the running epoch alone. */
  readonly turns: Turns | undefined;
  /** In the epoch after; undefined where that is not settled or forgotten. */
  readonly nextPower: bigint | undefined;
}

export interface ValidatorsView {
  readonly epoch: number;
  readonly running: number;
  readonly firstKept: number;
  readonly totalPower: bigint;
  /** Largest power first; undefined for an epoch that the chain does not remember or has not settled. */
  readonly rows: readonly ValidatorRow[] | undefined;
  readonly next: readonly SetEntry[] | undefined;
}

function unknownEpoch(epoch: number, { running, firstKept }: ValidatorsView): StoreError {
  return new StoreError('NOT_FOUND', `the chain has no validators of epoch ${epoch}`, {
    next: `Give an epoch from ${firstKept} to ${running + 2}; ${running} runs.`,
  });
}

function entryJson({ node, power, registration, operator }: SetEntry): Record<string, unknown> {
  return { node: hex(node), power, registration: hex(registration), operator: hex(operator) };
}

function rowJson(row: ValidatorRow): Record<string, unknown> {
  const { isJailed, isTombstoned, turns, nextPower } = row;
  return {
    ...entryJson(row),
    isJailed,
    isTombstoned,
    turnsMade: turns?.made ?? null,
    turnsMissed: turns?.missed ?? null,
    nextPower: nextPower ?? null,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function describeSet(
  answer: Answer<ValidatorsView & { readonly rows: readonly ValidatorRow[] }>,
): Promise<string> {
  const { plural, shortId, table } = await import('./format.ts');
  const { proofLine } = await import('./open-chain.ts');
  const { epoch, running, totalPower, rows, next } = answer.value;
  const which =
    epoch === running ? 'runs' : epoch < running ? `is over, ${running} runs` : `is to come, ${running} runs`;
  const newcomers = (next ?? []).filter(({ registration }) =>
    rows.every((row) => hex(row.registration) !== hex(registration)),
  );
  const lines = rows.map((row) => [
    shortId(hex(row.node)),
    String(row.power),
    shareText(row.power, totalPower),
    shortId(hex(row.operator)),
    stateOfRow(row),
    row.turns === undefined ? '-' : String(row.turns.made),
    row.turns === undefined ? '-' : String(row.turns.missed),
    next === undefined ? '-' : String(row.nextPower ?? 0n),
  ]);
  const arriving = newcomers.map(({ node, operator, power }) => [
    shortId(hex(node)),
    '-',
    '-',
    shortId(hex(operator)),
    'joins next',
    '-',
    '-',
    String(power),
  ]);
  return [
    `epoch ${epoch} ${which}: ${plural(rows.length, 'validator')} with power ${totalPower}`,
    '',
    table(['node', 'power', 'share', 'operator', 'state', 'made', 'missed', 'next'], [...lines, ...arriving]),
    '',
    proofLine(answer),
  ].join('\n');
}

function stateOfRow({ isJailed, isTombstoned }: ValidatorRow): string {
  if (isTombstoned) return 'tombstoned';
  return isJailed ? 'jailed' : 'ok';
}

/** Part of the whole with a tenth of a percent. */
export function shareText(part: bigint, whole: bigint): string {
  if (whole === 0n) return '0.0 %';
  const perMille = (part * 1000n + whole / 2n) / whole;
  return `${perMille / 10n}.${perMille % 10n} %`;
}
