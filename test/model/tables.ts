// The tables of validators by when they propose, shared by configurations of one number of rounds, and what about the code
// holds for all of them together: which facts anybody reads at all.

import type { Configuration } from './configurations.ts';
import type { Engine } from './engine.ts';
import { LocalTable } from './local-table.ts';
import { Machine } from './machine.ts';
import { type Facts, NOTHING, type Vocabulary, union, vocabulary } from './vocabulary.ts';

export class Tables {
  readonly vocabulary: Vocabulary;
  readonly engine: Engine;
  readonly live: Facts;
  readonly #machines = new Map<number, Machine>();
  readonly #tables = new Map<number, LocalTable>();

  constructor(engine: Engine, configurations: readonly Configuration[]) {
    const [first] = configurations;
    if (first === undefined) throw new Error('tables are for at least one configuration');
    this.engine = engine;
    this.vocabulary = vocabulary(first.rounds);
    for (const { powers, proposers } of configurations) {
      for (const validator of powers.keys()) this.#addMachine(patternOf(validator, proposers));
    }
    this.live = [...this.#machines.values()].map((machine) => machine.reads).reduce(union, NOTHING);
  }

  #addMachine(pattern: number): void {
    if (this.#machines.has(pattern)) return;
    this.#machines.set(pattern, new Machine(this.engine.round, this.vocabulary, isIn(pattern)));
  }

  of(validator: number, proposers: readonly number[]): LocalTable {
    const pattern = patternOf(validator, proposers);
    let table = this.#tables.get(pattern);
    if (table === undefined) {
      table = new LocalTable(
        this.#machines.get(pattern)!,
        this.vocabulary,
        this.live,
        pattern,
        isIn(pattern),
      );
      this.#tables.set(pattern, table);
    }
    return table;
  }

  /** Calls of the real code that made the tables, and the different states that it returned. */
  get calls(): number {
    return [...this.#machines.values()].reduce((sum, machine) => sum + machine.calls, 0);
  }

  get machineStates(): number {
    return [...this.#machines.values()].reduce((sum, machine) => sum + machine.stateCount, 0);
  }
}

/** The rounds in which a validator proposes, as bits. */
const patternOf = (validator: number, proposers: readonly number[]): number =>
  proposers.reduce((bits, who, round) => (who === validator ? bits | (1 << round) : bits), 0);

const isIn =
  (pattern: number) =>
  (round: number): boolean =>
    ((pattern >> round) & 1) === 1;
