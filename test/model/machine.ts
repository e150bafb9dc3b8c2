// The real round machine of one validator as a finite automaton: the engine's `applyRound` is called with every input in every state that
// any inputs lead to, and states that nothing can tell apart are taken as one. Which variable is dead where is thus found
// out from the code under test, whatever that code does, and never argued.

import type { RoundInput, RoundOutput, RoundState } from '../../src/consensus/round.ts';
import type { BlockId } from '../../src/consensus/types.ts';
import type { RoundModule } from './engine.ts';
import type { Deed } from './judge.ts';
import { type Edge, classesOf } from './minimise.ts';
import { A, B, type Facts, NOTHING, type Vocabulary, union } from './vocabulary.ts';

export interface MachineStep {
  /** Index into the vocabulary's inputs. */
  readonly input: number;
  readonly deeds: readonly Deed[];
  readonly target: number;
}

interface RawState {
  readonly state: RoundState;
  /** Time-outs that were scheduled in the present round, as bits. */
  readonly timers: number;
}

const TIMER_BITS = { propose: 1, prevote: 2, precommit: 4 } as const;

export class Machine {
  /** Calls of the real code, and the different states that it returned. */
  calls = 0;
  readonly stateCount: number;
  /** By class of states. */
  readonly steps: readonly (readonly MachineStep[])[];
  /** By class: the one in which A and B have changed places; undefined when the code does not treat them alike. */
  readonly swapped: Int32Array | undefined;
  readonly #engine: RoundModule;
  readonly #vocabulary: Vocabulary;
  readonly #isProposer: (round: number) => boolean;
  readonly #ids = new Map<string, number>();
  readonly #raw: RawState[] = [];
  readonly #edges: MachineStep[][] = [];

  constructor(engine: RoundModule, vocabulary: Vocabulary, isProposer: (round: number) => boolean) {
    this.#engine = engine;
    this.#vocabulary = vocabulary;
    this.#isProposer = isProposer;
    this.#intern({ state: engine.UNSTARTED, timers: 0 });
    for (let at = 0; at < this.#raw.length; at++) this.#edges.push(this.#compute(this.#raw[at]!, at));
    this.stateCount = this.#raw.length;
    const classes = classesOf(this.#edges.map((list) => list.map(edgeOf)));
    this.steps = this.#stepsOf(classes);
    const swapped = this.#swapRaw();
    this.swapped =
      swapped && Int32Array.from(this.steps, (_, own) => classes[swapped[classes.indexOf(own)]!]!);
  }

  /** All facts that decide about any step of this validator. */
  get reads(): Facts {
    const used = new Set(this.steps.flatMap((list) => list.map((step) => step.input)));
    return [...used].flatMap((input) => this.#vocabulary.inputs[input]!.needs).reduce(union, NOTHING);
  }

  #compute({ state, timers }: RawState, own: number): MachineStep[] {
    const steps: MachineStep[] = [];
    this.#vocabulary.inputs.forEach(({ input }, index) => {
      if (!this.#mayCome(input, state.round, timers)) return;
      this.calls++;
      const next = this.#engine.applyRound(state, input, this.#isProposer);
      // What lies beyond the last round is not explored: to stay is more, since votes of earlier rounds may still follow.
      if (next.state.round >= this.#vocabulary.rounds) return;
      const kept = next.state.round === state.round ? timers : 0;
      const target = this.#intern({
        state: next.state,
        timers: kept | timersOf(next.outputs, next.state.round),
      });
      const deeds = next.outputs.flatMap(deedOf);
      if (target !== own || deeds.length > 0) steps.push({ input: index, target, deeds });
    });
    return steps;
  }

  /**
   * Guards that depend on the validator itself: a time-out comes when it was scheduled, and a stale one, of an earlier round, may always come
   * still; a new block comes to who may have asked for it.
   */
  #mayCome(input: RoundInput, round: number, timers: number): boolean {
    if (input.kind === 'timeout')
      return input.round < round || (input.round === round && (timers & TIMER_BITS[input.timeout]) !== 0);
    return input.kind !== 'value' || (input.round <= round && this.#isProposer(input.round));
  }

  #intern(raw: RawState): number {
    const key = keyOf(raw);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.#raw.length);
    return this.#raw.push(raw) - 1;
  }

  #stepsOf(classes: Int32Array): MachineStep[][] {
    const steps: MachineStep[][] = [];
    for (const [at, list] of this.#edges.entries()) {
      const own = classes[at]!;
      steps[own] ??= list
        .map((step) => ({ ...step, target: classes[step.target]! }))
        .filter((step) => step.target !== own || step.deeds.length > 0);
    }
    return steps;
  }

  /** Where each state goes when A and B change places, if the code really treats the two alike. */
  #swapRaw(): Int32Array | undefined {
    const swapped = Int32Array.from(this.#raw, (raw) => this.#ids.get(swapNames(keyOf(raw))) ?? -1);
    if (swapped.includes(-1)) return undefined;
    const names = this.#vocabulary.inputs.map(({ input }) => JSON.stringify(input));
    const ids = new Map(names.map((name, index) => [name, index]));
    const inputs = names.map((name) => ids.get(swapNames(name))!);
    const isAlike = this.#edges.every((list, at) => {
      const there = this.#edges[swapped[at]!]!;
      return (
        list.length === there.length &&
        list.every((step) =>
          there.some(
            (other) =>
              other.input === inputs[step.input] &&
              other.target === swapped[step.target] &&
              JSON.stringify(other.deeds) === swapNames(JSON.stringify(step.deeds)),
          ),
        )
      );
    });
    return isAlike ? swapped : undefined;
  }
}

const keyOf = ({ state, timers }: RawState): string => `${Object.values(state).join()},${timers}`;

const swapNames = (text: string): string =>
  text
    .replaceAll(A, 'swap')
    .replaceAll(B, A)
    .replaceAll('swap', B as BlockId);

const edgeOf = ({ input, deeds, target }: MachineStep): Edge => ({
  label: deeds.length === 0 ? `${input}` : `${input} ${JSON.stringify(deeds)}`,
  isSeen: deeds.length > 0,
  target,
});

function timersOf(outputs: readonly RoundOutput[], round: number): number {
  return outputs.reduce(
    (bits, output) =>
      output.kind === 'schedule' && output.round === round ? bits | TIMER_BITS[output.timeout] : bits,
    0,
  );
}

function deedOf(output: RoundOutput): Deed[] {
  const from = { height: 1, validator: 0 };
  switch (output.kind) {
    case 'propose':
    case 'prevote': {
      const { round, blockId, validRound } = output;
      return output.kind === 'prevote'
        ? [{ ...from, kind: 'prevote', round, blockId, validRound }]
        : [{ ...from, kind: 'proposal', round, blockId: blockId as BlockId, validRound }];
    }
    case 'precommit':
      return [{ ...from, kind: 'precommit', round: output.round, blockId: output.blockId, validRound: -1 }];
    case 'decide':
      return [{ kind: 'decision', round: output.round, blockId: output.blockId }];
    case 'enter-round':
    case 'request-value':
    case 'lock':
    case 'schedule':
    case 'await-block':
      return [];
  }
}
