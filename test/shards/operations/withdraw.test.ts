import { expect, test } from 'vitest';
import { registerNode } from '../../../src/shards/operations/register-node.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { unbond } from '../../../src/shards/operations/unbond.ts';
import { withdraw } from '../../../src/shards/operations/withdraw.ts';
import { idOf, Ledger, PLAIN, registration } from '../stake-kit.ts';

const node = idOf('n0');

test('stake is free when the unbonding is over, and both ages of evidence are behind it', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', withdraw, { node })).toBe('insufficient-balance');
  expect(ledger.run('o0', unbond, { node, asset: 0, amount: 400n })).toBe(undefined);
  // Last epoch with power is 1; three more are the unbonding; 30 blocks and 30 seconds is evidence taken.
  for (let epoch = 0; epoch < 5; epoch++) {
    expect(ledger.run('o0', withdraw, { node }), `epoch ${epoch}`).toBe('too-early');
    ledger.close();
  }
  expect(ledger.run('o0', withdraw, { node }), 'at 30 blocks exactly').toBe('too-early');
  ledger.pass(1);
  expect(ledger.run('o0', withdraw, { node })).toBe(undefined);
  expect(ledger.balance('o0')).toBe(10_400n);
  expect(ledger.run('o0', withdraw, { node })).toBe('insufficient-balance');
  expect(ledger.run('o0', withdraw, { node: idOf('nowhere') })).toBe('no-such-node');
});

test('blocks alone do not free it while time stands still', () => {
  const ledger = new Ledger();
  expect(ledger.run('o0', unbond, { node, asset: 0, amount: 400n })).toBe(undefined);
  const { timeMs } = ledger;
  for (let epoch = 0; epoch < 12; epoch++) {
    ledger.close();
    ledger.timeMs = timeMs;
  }
  expect(ledger.run('o0', withdraw, { node })).toBe('too-early');
  ledger.timeMs += 30_000 + 10_000;
  expect(ledger.run('o0', withdraw, { node })).toBe(undefined);
});

test('stake at a retired node comes back, whether it was asked for before, after, or its node was never a validator', () => {
  for (const validates of [true, false]) {
    for (const isAskedFirst of [true, false]) {
      for (const epochs of [0, 1, 3]) {
        const ledger = new Ledger();
        const data = { ...PLAIN, validates };
        expect(ledger.run('alice', registerNode, registration('a', 'alice', 500n, data))).toBe(undefined);
        ledger.close();
        const leave = { node: idOf('a'), asset: 0, amount: 500n };
        if (isAskedFirst) expect(ledger.run('alice', unbond, leave)).toBe(undefined);
        expect(ledger.run('alice', retireNode, { node: idOf('a') })).toBe(undefined);
        for (let epoch = 0; epoch < epochs; epoch++) ledger.close();
        if (!isAskedFirst) expect(ledger.run('alice', unbond, leave)).toBe(undefined);
        for (let epoch = 0; epoch < 7; epoch++) ledger.close();
        expect(ledger.run('alice', withdraw, { node: idOf('a') })).toBe(undefined);
        expect(ledger.balance('alice')).toBe(10_000n);
      }
    }
  }
});
