// The story of a violation: who did what, in order, with the round inputs that made it do so.

import { nameOfValidator } from './configurations.ts';
import { describe } from './judge.ts';
import type { Network } from './network.ts';
import { type Vocabulary, nameOf } from './vocabulary.ts';

/** How a state was first reached: from which, by which step of which slot. */
export interface Origin {
  readonly from: string;
  readonly slot: number;
  readonly step: number;
}

export function storyOf(
  network: Network,
  vocabulary: Vocabulary,
  origins: ReadonlyMap<string, Origin>,
  end: string,
): string[] {
  const lines: string[] = [];
  for (let at = origins.get(end); at !== undefined && at.from !== ''; at = origins.get(at.from)) {
    const { inputs, deeds } = network.rows[at.slot]!.macroSteps[at.step]!;
    const heard = inputs.map((input) => describeInput(vocabulary, input)).join(', ');
    lines.unshift(
      `${nameOfValidator(network.active[at.slot]!)} ${deeds.map(describe).join(', ')}   [${heard}]`,
    );
  }
  return lines;
}

function describeInput({ inputs }: Vocabulary, index: number): string {
  const { kind, ...rest } = inputs[index]!.input;
  const parts = Object.entries(rest).map(([name, value]) =>
    name === 'blockId' ? nameOf(value as never) : `${name} ${value}`,
  );
  return `${kind} ${parts.join(' ')}`;
}
