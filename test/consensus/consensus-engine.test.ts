// Agreement through the interface of the paper alone: propose, process message, decided value. Whoever puts another algorithm behind it
// can run the same heights.

import { describe, expect, test } from 'vitest';
import { accountableTendermint, type ConsensusEngine } from '../../src/consensus/consensus-engine.ts';
import type { BlockId, Effect, HeightStart } from '../../src/consensus/types.ts';
import { A, B, block, heightStart, proposersFrom, say, setOf, signed } from '../helpers/agreement.ts';
import { CONFIG } from '../helpers/agreement-host.ts';

/** Engines that hear each other at once. Blocks are made by `makes`, all are valid, and no time passes. */
function agree(
  engines: readonly ConsensusEngine[],
  startOf: (self: number) => HeightStart,
  makes: (height: number) => BlockId,
): void {
  const work: [number, readonly Effect[]][] = engines.map((engine, self) => [
    self,
    engine.start(startOf(self)),
  ]);
  for (let next = work.shift(); next !== undefined; next = work.shift()) {
    const [self, effects] = next;
    const engine = engines[self]!;
    for (const effect of effects) {
      if (effect.kind === 'request-value') {
        work.push([self, engine.propose(effect.height, effect.round, makes(effect.height))]);
      } else if (effect.kind === 'validate') {
        const { height, blockId } = effect;
        work.push([self, engine.process({ kind: 'verdict', height, blockId, isValid: true })]);
      } else if (effect.kind === 'sign') {
        work.push([self, engine.process({ kind: 'signed', message: signed(effect.message) })]);
      } else if (effect.kind === 'broadcast') {
        for (const [other, hearer] of engines.entries()) {
          if (other !== self) work.push([other, hearer.processMessage(effect.message)]);
        }
      }
    }
  }
}

describe('the engine behind the interface', () => {
  test('four validators decide what the proposer proposed, height after height', () => {
    const engines = [0, 1, 2, 3].map(() => accountableTendermint(CONFIG));
    expect(engines.map((engine) => engine.decided())).toEqual([undefined, undefined, undefined, undefined]);
    for (let height = 1; height <= 4; height++) {
      const made = block(String(height));
      agree(
        engines,
        (self) => heightStart({ height, self }),
        () => made,
      );
      for (const engine of engines) expect(engine.decided()).toMatchObject({ height, blockId: made });
    }
  });

  test('the decision comes with the proof of it: precommits of a quorum for the block', () => {
    const engines = [0, 1, 2, 3].map(() => accountableTendermint(CONFIG));
    agree(
      engines,
      (self) => heightStart({ self, proposers: proposersFrom(2) }),
      () => B,
    );
    for (const engine of engines) {
      const { certificate } = engine.decided()!;
      expect(say(certificate)).toMatch(/^commit 1\/0 B of( \d){3,4}$/);
    }
  });

  test('what was decided stays until the next decision, also while a height is under way', () => {
    const validators = setOf(1);
    const engine = accountableTendermint(CONFIG);
    agree(
      [engine],
      () => heightStart({ validators }),
      () => A,
    );
    engine.start(heightStart({ validators, height: 2 }));
    expect(engine.decided()).toMatchObject({ height: 1, blockId: A });
  });

  test('two engines share nothing', () => {
    const [busy, idle] = [accountableTendermint(CONFIG), accountableTendermint(CONFIG)];
    agree(
      [busy],
      () => heightStart({ validators: setOf(1) }),
      () => A,
    );
    expect(idle.decided()).toBeUndefined();
    expect(idle.process({ kind: 'timeout', timeout: 'propose', height: 1, round: 0 })).toEqual([]);
  });
});
