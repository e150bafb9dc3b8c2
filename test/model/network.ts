// What is fixed during a search: the validators that take steps, how much of what they say is enough for whom, and what the Byzantine
// validators add. The Byzantine are never enumerated: they may have said anything to anyone, so their power counts for every
// value, and every proposal of their rounds is there.

import type { ValidatorSet } from '../../src/consensus/types.ts';
import type { Configuration } from './configurations.ts';
import type { Engine } from './engine.ts';
import type { LocalTable } from './local-table.ts';
import type { Tables } from './tables.ts';
import { NOTHING, union } from './vocabulary.ts';

export const SLOTS = 3;

export interface Network {
  readonly configuration: Configuration;
  /** The validators that take steps; a slot is a position here. */
  readonly active: readonly number[];
  readonly rows: readonly LocalTable[];
  readonly powers: readonly number[];
  /** By set of senders, as bits of slots: -1 when these and the Byzantine are enough, 0 when not. */
  readonly quorum: Int32Array;
  readonly weak: Int32Array;
  /** Proposals that the Byzantine validators have sent. */
  readonly lies: number;
  readonly set: ValidatorSet;
}

export function networkOf(tables: Tables, configuration: Configuration): Network {
  const { powers, byzantine, silent, proposers, isByzantineLoud } = configuration;
  const active = powers.map((_, index) => index).filter((v) => !byzantine.includes(v) && !silent.includes(v));
  if (active.length > SLOTS)
    throw new Error(`${active.length} honest validators, at most ${SLOTS} are explored`);
  const set = setOf(tables.engine, powers);
  const helping = isByzantineLoud ? byzantine.reduce((sum, v) => sum + powers[v]!, 0) : 0;
  const own = active.map((validator) => powers[validator]!);
  const { isQuorum, isWeak } = tables.engine.validatorSet;
  const offered = proposers.map((who, round) =>
    isByzantineLoud && byzantine.includes(who) ? tables.vocabulary.proposalsOf(round) : NOTHING,
  );
  return {
    configuration,
    active,
    rows: active.map((validator) => tables.of(validator, proposers)),
    powers: own,
    quorum: enoughOf((power) => isQuorum(set, BigInt(power)), own, helping),
    weak: enoughOf((power) => isWeak(set, BigInt(power)), own, helping),
    lies: offered.reduce(union, NOTHING).proposals,
    set,
  };
}

function enoughOf(
  isEnough: (power: number) => boolean,
  powers: readonly number[],
  helping: number,
): Int32Array {
  return Int32Array.from({ length: 2 ** SLOTS }, (_, senders) => {
    const power = powers.reduce(
      (sum, own, slot) => (((senders >> slot) & 1) === 1 ? sum + own : sum),
      helping,
    );
    return isEnough(power) ? -1 : 0;
  });
}

export function setOf(engine: Engine, powers: readonly number[]): ValidatorSet {
  return engine.validatorSet.validatorSet(
    powers.map((power, index) => ({ node: new Uint8Array(32).fill(index) as never, power: BigInt(power) })),
  );
}

/** The facts that enough have said: for each set of senders that is enough, what all of it have said. */
export function enough(table: Int32Array, a: number, b: number, c: number): number {
  return (
    table[0]! |
    (table[1]! & a) |
    (table[2]! & b) |
    (table[4]! & c) |
    (table[3]! & a & b) |
    (table[5]! & a & c) |
    (table[6]! & b & c) |
    (table[7]! & a & b & c)
  );
}

/** Slots that may change places: equal power, and no turn to propose. */
export function areAlike({ rows, powers, active, configuration }: Network, a: number, b: number): boolean {
  if (rows[a] === undefined || rows[b] === undefined || powers[a] !== powers[b]) return false;
  return ![a, b].some((slot) => configuration.proposers.includes(active[slot]!));
}
