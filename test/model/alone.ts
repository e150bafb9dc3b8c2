// One validator against everything: any input of any round at any time, true or not, in any order. It must never contradict itself. Nothing is
// assumed about stakes, quorums, or how many lie, so what holds here holds for any network, up to the number of rounds.

import type { Engine } from './engine.ts';
import { hash } from './key-set.ts';
import { LocalStates } from './local.ts';
import { Machine } from './machine.ts';
import { describe } from './judge.ts';
import { vocabulary } from './vocabulary.ts';

export interface AloneResult {
  readonly states: number;
  readonly inputs: number;
  readonly calls: number;
  readonly digest: string;
  readonly violations: readonly string[];
}

/** `pattern`: the rounds in which the validator is the proposer, as bits. */
export function exploreAlone(engine: Engine, rounds: number, pattern: number): AloneResult {
  const words = vocabulary(rounds);
  const isProposer = (round: number): boolean => ((pattern >> round) & 1) === 1;
  const machine = new Machine(engine.round, words, isProposer);
  const local = new LocalStates(machine, words, machine.reads, isProposer);
  const work = [0];
  const from = new Map<number, number>([[0, -1]]);
  let [inputs, digest] = [0, 0];
  for (let state = work.pop(); state !== undefined; state = work.pop()) {
    const { fault, said } = local.historyOf(state);
    if (fault !== undefined)
      return { states: from.size, inputs, calls: machine.calls, digest: '', violations: [storyOf(state)] };
    digest = (digest + hash(said.length, said.at(-1) ?? 0)) | 0;
    for (const { target } of local.movesOf(state)) {
      inputs++;
      if (from.has(target)) continue;
      from.set(target, state);
      work.push(target);
    }
  }
  const print = (digest >>> 0).toString(16).padStart(8, '0');
  return { states: from.size, inputs, calls: machine.calls, digest: print, violations: [] };

  function storyOf(end: number): string {
    const { fault, said } = local.historyOf(end);
    const told = said.map((index) => describe(words.messages[index]!.message));
    return `a validator alone, ${rounds} rounds: ${fault}\n    it has said: ${told.join(', ')}`;
  }
}
