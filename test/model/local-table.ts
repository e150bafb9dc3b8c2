// The states of one validator as flat numbers, for a loop that runs a hundred million times. Rows are computed when they are first asked
// for, so that only what some network can bring about is ever worked out.

import type { VoteValue } from '../../src/consensus/types.ts';
import { type Obligation, isMet, obligationsOf } from './judge.ts';
import { hash } from './key-set.ts';
import { LocalStates, type MacroStep } from './local.ts';
import type { Machine } from './machine.ts';
import { BLOCKS, type Facts, type Vocabulary, intersection } from './vocabulary.ts';

/**
 * Numbers of a step: its needs (three words), its target, and the index of its open obligations. A target below zero is a
 * decision, for block -target (1: A), which ends the validator. Others cannot tell that from its standing still, so that such a
 * step is looked at in every state where it may be taken, and never taken.
 */
export const STEP_WORDS = 5;
/** Numbers of a state: its facts (three words), the decided block (0: none), whether it broke a rule, a fingerprint,
 * first and last step, and the state in which A and B have changed places, or -1. */
export const STATE_WORDS = 9;
export const FACTS = 0;
export const DECIDED = 3;
export const FAULT = 4;
export const PRINT = 5;
export const FIRST = 6;
export const LAST = 7;
export const SWAPPED = 8;
const UNKNOWN = -1;

export class LocalTable {
  states: Int32Array = new Int32Array(2 ** 12 * STATE_WORDS).fill(UNKNOWN);
  steps: Int32Array = new Int32Array(2 ** 12 * STEP_WORDS);
  /** Open obligations by index; index 0 means none. */
  readonly obligations: (readonly Obligation[])[] = [[]];
  readonly local: LocalStates;
  /** The macro steps of the rows, for traces. */
  readonly macroSteps: MacroStep[] = [];
  readonly #vocabulary: Vocabulary;
  readonly #live: Facts;
  /** Bits of the rounds in which the validator proposes. */
  readonly pattern: number;
  readonly #obligationIds = new Map<string, number>();
  #stepCount = 0;

  constructor(
    machine: Machine,
    vocabulary: Vocabulary,
    live: Facts,
    pattern: number,
    isProposer: (round: number) => boolean,
  ) {
    this.pattern = pattern;
    this.#vocabulary = vocabulary;
    this.#live = live;
    this.local = new LocalStates(machine, vocabulary, live, isProposer);
  }

  /** Makes the row of `state` and of its steps, unless they are there. */
  fill(state: number): void {
    while ((state + 1) * STATE_WORDS > this.states.length) this.states = doubled(this.states);
    const at = state * STATE_WORDS;
    if (this.states[at + LAST] !== UNKNOWN) return;
    const { facts, decided, fault } = this.local.historyOf(state);
    const seen = intersection(facts, this.#live);
    const print = hash(hash(seen.proposals, seen.prevotes), hash(seen.precommits, decidedNumber(decided)));
    this.states.set([facts.proposals, facts.prevotes, facts.precommits], at + FACTS);
    this.states[at + DECIDED] = decidedNumber(decided);
    this.states[at + FAULT] = fault === undefined ? 0 : 1;
    this.states[at + PRINT] = print;
    this.states[at + SWAPPED] = this.local.swapped(state) ?? UNKNOWN;
    this.states[at + FIRST] = this.#stepCount;
    for (const step of this.local.macroStepsOf(state)) this.#addStep(step);
    this.states[at + LAST] = this.#stepCount;
  }

  #addStep(step: MacroStep): void {
    const { proposals, prevotes, precommits } = step.needs;
    if ((this.#stepCount + 1) * STEP_WORDS > this.steps.length) this.steps = doubled(this.steps);
    const open = step.deeds
      .flatMap((deed) => obligationsOf(deed, this.#vocabulary))
      .filter((obligation) => !isMet(obligation, step.needs));
    const target = this.#isEnd(step)
      ? -decidedNumber(this.local.historyOf(step.target).decided)
      : step.target;
    const words = [proposals, prevotes, precommits, target, this.#internObligations(open)];
    this.steps.set(words, this.#stepCount * STEP_WORDS);
    this.macroSteps[this.#stepCount++] = step;
  }

  /** A decision, with nothing that could be done after it. */
  #isEnd(step: MacroStep): boolean {
    const { decided, fault } = this.local.historyOf(step.target);
    if (decided === null || fault !== undefined || step.deeds.length > 1) return false;
    return this.local.macroStepsOf(step.target).length === 0;
  }

  #internObligations(open: readonly Obligation[]): number {
    if (open.length === 0) return 0;
    const key = open.map((obligation) => obligation.text).join();
    const known = this.#obligationIds.get(key);
    if (known !== undefined) return known;
    this.#obligationIds.set(key, this.obligations.length);
    return this.obligations.push(open) - 1;
  }
}

function doubled(array: Int32Array): Int32Array {
  const larger = new Int32Array(2 * array.length).fill(UNKNOWN);
  larger.set(array);
  return larger;
}

const decidedNumber = (decided: VoteValue): number => (decided === null ? 0 : 1 + BLOCKS.indexOf(decided));
