import { expect, test } from 'vitest';
import { changeNode } from '../../../src/shards/operations/change-node.ts';
import { retireNode } from '../../../src/shards/operations/retire-node.ts';
import { epochStateOf } from '../../../src/shards/epoch-state.ts';
import { membersOf } from '../../../src/shards/members.ts';
import { idOf, Ledger, PLAIN } from '../stake-kit.ts';

test('members show what a node says of itself from the next border on', () => {
  const ledger = new Ledger();
  const data = { ...PLAIN, capacityBytes: 5, domains: [['rack', 'r1']] as const };
  expect(ledger.run('o0', changeNode, { node: idOf('n0'), data })).toBe(undefined);
  const capacities = (): number[] =>
    membersOf(ledger.view, epochStateOf(ledger.view).memberCount).map(({ capacityBytes }) => capacityBytes);
  expect(capacities()).not.toContain(5);
  ledger.close();
  expect(capacities()).toContain(5);
});

test('who does not want to vote is in no set that is frozen afterwards, and stays a member', () => {
  const ledger = new Ledger();
  const data = { ...PLAIN, validates: false };
  expect(ledger.run('o0', changeNode, { node: idOf('n0'), data })).toBe(undefined);
  expect(ledger.close().memberCount).toBe(4);
  expect(ledger.powers(2).has('n0')).toBe(false);
});

test('is refused for others and for the retired', () => {
  const ledger = new Ledger();
  expect(ledger.run('o1', changeNode, { node: idOf('n0'), data: PLAIN })).toBe('not-the-operator');
  expect(ledger.run('o1', changeNode, { node: idOf('nowhere'), data: PLAIN })).toBe('no-such-node');
  expect(ledger.run('o0', retireNode, { node: idOf('n0') })).toBe(undefined);
  expect(ledger.run('o0', changeNode, { node: idOf('n0'), data: PLAIN })).toBe('too-late');
});

test('failure domains are sorted, each once', () => {
  const parse = (domains: readonly unknown[]): boolean =>
    changeNode.operation.schema.safeParse([idOf('n0'), [1, domains, true, true]]).success;
  expect(
    parse([
      ['a', 'x'],
      ['b', 'y'],
    ]),
  ).toBe(true);
  expect(
    parse([
      ['b', 'y'],
      ['a', 'x'],
    ]),
  ).toBe(false);
  expect(
    parse([
      ['a', 'x'],
      ['a', 'y'],
    ]),
  ).toBe(false);
});
