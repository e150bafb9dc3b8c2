// One validator with what it has said. A step is visible when it says something that anybody reads, or decides. Invisible steps (rounds
// entered, blocks remembered) change nobody's guards, and guards only ever become true. So a validator may put off its
// invisible steps until right before its next visible one without any other noticing: `macro steps` are such bundles, with the
// facts that they need, and only states behind a visible step are kept. This is exact, whatever the engine's code does.

import type { BlockId, VoteValue } from '../../src/consensus/types.ts';
import { type Deed, faultOf } from './judge.ts';
import type { Machine } from './machine.ts';
import { A, B, type Facts, NOTHING, type Vocabulary, includes, intersection, union } from './vocabulary.ts';

/** What a validator has said so far: all that others, and the properties, see of it. */
export interface History {
  readonly facts: Facts;
  /** Indexes into the vocabulary. */
  readonly said: readonly number[];
  readonly decided: VoteValue;
  /** Set by the deed that broke a rule; such a history ends. */
  readonly fault?: string;
  /** Equal for histories that look alike to everybody. */
  readonly look: string;
}

export interface MacroStep {
  readonly needs: Facts;
  /** Inputs of the bundle, in order, as indexes into the vocabulary's inputs; the last one is visible. */
  readonly inputs: readonly number[];
  readonly deeds: readonly Deed[];
  readonly target: number;
}

/** A single step. */
export interface Move {
  readonly input: number;
  readonly needs: readonly Facts[];
  readonly deeds: readonly Deed[];
  readonly target: number;
}

interface Local {
  readonly machine: number;
  readonly history: number;
}

/** A way to get somewhere by invisible steps. */
interface Path {
  readonly local: number;
  readonly needs: Facts;
  readonly inputs: readonly number[];
  readonly deeds: readonly Deed[];
}

export class LocalStates {
  readonly locals: Local[] = [];
  readonly histories: History[] = [];
  readonly machine: Machine;
  readonly #vocabulary: Vocabulary;
  readonly #isProposer: (round: number) => boolean;
  readonly #live: Facts;
  readonly #localIds = new Map<number, number>();
  readonly #historyIds = new Map<string, number>();
  readonly #closures = new Map<number, readonly Path[]>();
  readonly #moves: (readonly Move[] | undefined)[] = [];

  /** `live`: what anybody reads; a message without any of it is invisible. */
  constructor(machine: Machine, vocabulary: Vocabulary, live: Facts, isProposer: (round: number) => boolean) {
    this.machine = machine;
    this.#vocabulary = vocabulary;
    this.#live = live;
    this.#isProposer = isProposer;
    const history = this.#internHistory([], null, undefined);
    this.#internLocal({ machine: 0, history });
  }

  historyOf(local: number): History {
    return this.histories[this.locals[local]!.history]!;
  }

  movesOf(local: number): readonly Move[] {
    return (this.#moves[local] ??= this.#computeMoves(local));
  }

  /** The state in which A and B have changed places; undefined when the code does not treat them alike. */
  swapped(local: number): number | undefined {
    const { machine, history } = this.locals[local]!;
    const { said, decided, fault } = this.histories[history]!;
    if (this.machine.swapped === undefined || fault !== undefined) return undefined;
    const others = said.map((index) => {
      const { message } = this.#vocabulary.messages[index]!;
      return this.#vocabulary.find({ ...message, blockId: swapValue(message.blockId) as BlockId })!;
    });
    const swappedHistory = this.#internHistory(others, swapValue(decided), undefined);
    return this.#internLocal({ machine: this.machine.swapped[machine]!, history: swappedHistory });
  }

  #computeMoves(local: number): Move[] {
    const { machine, history } = this.locals[local]!;
    if (this.histories[history]!.fault !== undefined) return [];
    return this.machine.steps[machine]!.map(({ input, deeds, target }): Move => {
      const next = deeds.length === 0 ? history : this.#extend(history, deeds);
      const { needs } = this.#vocabulary.inputs[input]!;
      return { input, needs, deeds, target: this.#internLocal({ machine: target, history: next }) };
    });
  }

  #extend(history: number, deeds: readonly Deed[]): number {
    let { said, decided, fault } = this.histories[history]!;
    for (const deed of deeds) {
      const earlier = said.map((index) => this.#vocabulary.messages[index]!.message);
      fault ??= faultOf(deed, earlier, decided, this.#isProposer);
      if (deed.kind === 'decision') {
        decided = deed.blockId;
        continue;
      }
      const index = this.#vocabulary.find(deed);
      if (index === undefined) fault ??= `says what makes no sense: ${JSON.stringify(deed)}`;
      else said = [...new Set([...said, index])];
    }
    return this.#internHistory(said, decided, fault);
  }

  #internHistory(unsorted: readonly number[], decided: VoteValue, fault: string | undefined): number {
    const said = [...unsorted].sort((a, b) => a - b);
    const key = `${said.join()};${decided};${fault}`;
    const known = this.#historyIds.get(key);
    if (known !== undefined) return known;
    const facts = said.map((index) => this.#vocabulary.messages[index]!.effect).reduce(union, NOTHING);
    const seen = intersection(facts, this.#live);
    const look = `${seen.proposals},${seen.prevotes},${seen.precommits};${decided};${fault}`;
    this.#historyIds.set(key, this.histories.length);
    return this.histories.push({ facts, said, decided, look, ...(fault === undefined ? {} : { fault }) }) - 1;
  }

  #internLocal(local: Local): number {
    const key = local.machine * 2 ** 24 + local.history;
    const known = this.#localIds.get(key);
    if (known !== undefined) return known;
    this.#localIds.set(key, this.locals.length);
    return this.locals.push(local) - 1;
  }

  /** Where invisible steps lead from `local`, each place with its least needs; in the order of length, `local` itself first. */
  closureOf(local: number): readonly Path[] {
    const known = this.#closures.get(local);
    if (known !== undefined) return known;
    const { look } = this.historyOf(local);
    const paths: Path[] = [{ local, needs: NOTHING, inputs: [], deeds: [] }];
    const byPlace = new Map<number, Path[]>([[local, [paths[0]!]]]);
    for (let at = 0; at < paths.length; at++) {
      const path = paths[at]!;
      for (const move of this.movesOf(path.local)) {
        if (this.historyOf(move.target).look !== look) continue;
        for (const needed of move.needs) {
          const needs = union(path.needs, needed);
          const there = byPlace.get(move.target) ?? [];
          if (there.some((other) => includes(needs, other.needs))) continue;
          const next = {
            local: move.target,
            needs,
            inputs: [...path.inputs, move.input],
            deeds: [...path.deeds, ...move.deeds],
          };
          byPlace.set(move.target, [...there, next]);
          paths.push(next);
        }
      }
    }
    this.#closures.set(local, paths);
    return paths;
  }

  /** The visible steps from `local`, each with the invisible ones that it cannot do without. */
  macroStepsOf(local: number): readonly MacroStep[] {
    const { look } = this.historyOf(local);
    const steps: MacroStep[] = [];
    for (const path of this.closureOf(local)) {
      for (const move of this.movesOf(path.local)) {
        if (this.historyOf(move.target).look === look) continue;
        for (const needed of move.needs) {
          steps.push({
            needs: union(path.needs, needed),
            inputs: [...path.inputs, move.input],
            deeds: [...path.deeds, ...move.deeds],
            target: move.target,
          });
        }
      }
    }
    return this.#laziest(steps);
  }

  /**
   * Drops a step when another looks the same, needs no more, and can go on invisibly to the same place with what is then known:
   * whatever the first can do next, the second can do too. Steps are kept for good, so that no two drop each other.
   */
  #laziest(steps: readonly MacroStep[]): readonly MacroStep[] {
    const kept = new Map<string, MacroStep[]>();
    for (const step of steps) {
      const { look } = this.historyOf(step.target);
      const rivals = kept.get(look) ?? [];
      if (!rivals.some((rival) => this.#covers(rival, step))) kept.set(look, [...rivals, step]);
    }
    return [...kept.values()].flat();
  }

  #covers(rival: MacroStep, step: MacroStep): boolean {
    if (!includes(step.needs, rival.needs)) return false;
    return this.closureOf(rival.target).some(
      (path) => path.local === step.target && includes(step.needs, path.needs),
    );
  }
}

const swapValue = (value: VoteValue): VoteValue => (value === A ? B : value === B ? A : value);
