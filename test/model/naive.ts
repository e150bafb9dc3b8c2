// The dumb twin of `explore.ts`: the same search with nothing clever. Whole validators as plain objects, one input at a time, guards
// counted from the messages, states compared as text. Slow, and for that reason believed.

import type { RoundInput, RoundOutput, RoundState } from '../../src/consensus/round.ts';
import { type BlockId, NO_ROUND, type UnsignedMessage } from '../../src/consensus/types.ts';
import type { Configuration } from './configurations.ts';
import type { Engine } from './engine.ts';
import { faultOf } from './judge.ts';
import { BLOCKS, isValidBlock } from './vocabulary.ts';

interface Validator {
  readonly state: RoundState;
  readonly said: readonly string[];
  readonly timers: readonly string[];
  readonly decided: BlockId | null;
}

export interface NaiveResult {
  readonly states: number;
  readonly isBroken: boolean;
  /** What all have said, in every state that was reached: for each validator a sorted list. */
  readonly sayings: ReadonlySet<string>;
}

export function exploreNaively(engine: Engine, configuration: Configuration): NaiveResult {
  const { powers, byzantine, silent, proposers, rounds } = configuration;
  const active = powers.map((_, index) => index).filter((v) => !byzantine.includes(v) && !silent.includes(v));
  const first = active.map(
    (): Validator => ({ state: engine.round.UNSTARTED, said: [], timers: [], decided: null }),
  );
  const seen = new Set([JSON.stringify(first)]);
  const sayings = new Set<string>();
  const work = [first];
  let isBroken = false;
  for (let world = work.pop(); world !== undefined; world = work.pop()) {
    const decisions = new Set(world.map((one) => one.decided).filter((decided) => decided !== null));
    isBroken ||= decisions.size > 1;
    sayings.add(JSON.stringify(world.map((one) => one.said)));
    for (const [slot, one] of world.entries()) {
      const isProposer = (round: number): boolean => proposers[round] === active[slot];
      for (const input of inputsOf(rounds)) {
        if (one.decided !== null || !isOwnGuard(one, input, isProposer)) continue;
        const { state, outputs } = engine.round.applyRound(one.state, input, isProposer);
        const isIdle = state === one.state && outputs.length === 0;
        if (isIdle || state.round >= rounds || !isEnabled(world, input)) continue;
        const next = advance(one, state, outputs, isProposer);
        if (next === undefined) isBroken = true;
        const then = world.with(slot, next ?? one);
        const key = JSON.stringify(then);
        if (seen.has(key)) continue;
        seen.add(key);
        work.push(then);
      }
    }
  }
  return { states: seen.size, isBroken, sayings };

  function power(world: readonly Validator[], isMeant: (said: string) => boolean): number {
    const helping = configuration.isByzantineLoud ? byzantine : [];
    const honest = active.filter((_, slot) => world[slot]!.said.some(isMeant));
    return [...honest, ...helping].reduce((sum, index) => sum + powers[index]!, 0);
  }

  function isEnabled(world: readonly Validator[], input: RoundInput): boolean {
    const total = powers.reduce((sum, own) => sum + own, 0);
    const isQuorum = (pattern: RegExp): boolean => 3 * power(world, (said) => pattern.test(said)) > 2 * total;
    const isProposed = (round: number, blockId: string, validRound: number): boolean =>
      (configuration.isByzantineLoud && byzantine.includes(proposers[round]!)) ||
      world.some((one) => one.said.includes(`proposal ${round} ${blockId} ${validRound}`));
    const { kind, round } = input;
    switch (kind) {
      case 'start':
      case 'value':
      case 'timeout':
        return true;
      case 'commit':
        return isQuorum(new RegExp(`^precommit ${round} ${input.blockId} `));
      case 'skip':
        return (
          3 * power(world, (said) => said.startsWith('pre') && Number(said.split(' ')[1]) >= round) > total
        );
      case 'polka':
        return (
          isProposed(round, input.blockId, input.validRound) &&
          isQuorum(new RegExp(`^prevote ${round} ${input.blockId} ${input.validRound}$`))
        );
      case 'earlier-polka':
        return claims(round).some((claim) =>
          isQuorum(new RegExp(`^prevote ${round} ${input.blockId} ${claim}$`)),
        );
      case 'nil-polka':
        return isQuorum(new RegExp(`^prevote ${round} null `));
      case 're-proposal':
        return (
          isProposed(round, input.blockId, input.validRound) &&
          claims(input.validRound).some((claim) =>
            isQuorum(new RegExp(`^prevote ${input.validRound} ${input.blockId} ${claim}$`)),
          )
        );
      case 'fresh-proposal':
        return isProposed(round, input.blockId, NO_ROUND);
      case 'prevote-any':
        return isQuorum(new RegExp(`^prevote ${round} `));
      case 'precommit-any':
        return isQuorum(new RegExp(`^precommit ${round} `));
    }
  }
}

const claims = (round: number): number[] => Array.from({ length: round + 1 }, (_, index) => index - 1);

function isOwnGuard(one: Validator, input: RoundInput, isProposer: (round: number) => boolean): boolean {
  if (input.kind === 'value') return isProposer(input.round) && input.round <= one.state.round;
  return input.kind !== 'timeout' || one.timers.includes(`${input.timeout} ${input.round}`);
}

function advance(
  one: Validator,
  state: RoundState,
  outputs: readonly RoundOutput[],
  isProposer: (round: number) => boolean,
): Validator | undefined {
  let { said, timers, decided } = one;
  for (const output of outputs) {
    if (output.kind === 'schedule')
      timers = [...new Set([...timers, `${output.timeout} ${output.round}`])].sort();
    if (output.kind === 'decide') decided = output.blockId;
    if (output.kind !== 'propose' && output.kind !== 'prevote' && output.kind !== 'precommit') continue;
    const kind = output.kind === 'propose' ? 'proposal' : output.kind;
    const validRound = 'validRound' in output ? output.validRound : NO_ROUND;
    const text = `${kind} ${output.round} ${output.blockId} ${validRound}`;
    if (faultOf(parse(text), said.map(parse), null, isProposer) !== undefined) return undefined;
    said = [...said, text].sort();
  }
  return { state, said, timers, decided };
}

function parse(text: string): UnsignedMessage {
  const [kind, round, block, validRound] = text.split(' ');
  const blockId = block === 'null' ? null : block;
  return {
    kind,
    height: 1,
    validator: 0,
    round: Number(round),
    blockId,
    validRound: Number(validRound),
  } as UnsignedMessage;
}

const known = new Map<number, RoundInput[]>();

function inputsOf(rounds: number): RoundInput[] {
  const found = known.get(rounds);
  if (found !== undefined) return found;
  const inputs = Array.from({ length: rounds }, (_, round) => round).flatMap((round): RoundInput[] => [
    { kind: 'start', round },
    { kind: 'skip', round },
    { kind: 'nil-polka', round },
    { kind: 'prevote-any', round },
    { kind: 'precommit-any', round },
    { kind: 'timeout', timeout: 'propose', round },
    { kind: 'timeout', timeout: 'prevote', round },
    { kind: 'timeout', timeout: 'precommit', round },
    ...BLOCKS.flatMap((blockId) => ofBlock(round, blockId)),
  ]);
  known.set(
    rounds,
    inputs.filter((input) => input.kind !== 'start' || input.round === 0),
  );
  return known.get(rounds)!;
}

function ofBlock(round: number, blockId: BlockId): RoundInput[] {
  const isValid = isValidBlock(blockId);
  const earlier = claims(round).filter((claim) => claim !== NO_ROUND);
  const always: RoundInput[] = [
    { kind: 'commit', round, blockId, isValid: false },
    { kind: 'fresh-proposal', round, blockId, isValid },
    ...earlier.map(
      (validRound): RoundInput => ({ kind: 're-proposal', round, blockId, validRound, isValid }),
    ),
  ];
  if (!isValid) return always;
  return [
    ...always,
    { kind: 'value', round, blockId },
    { kind: 'commit', round, blockId, isValid },
    { kind: 'earlier-polka', round, blockId },
    ...claims(round).map((validRound): RoundInput => ({ kind: 'polka', round, blockId, validRound })),
  ];
}
