import { describe, expect, test } from 'vitest';
import { epochDigest } from '../../src/base/epoch.ts';
import type { NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import { revealChain } from '../../src/consensus/beacon.ts';
import { epochStateOf, lastHeightOf } from '../../src/shards/epoch-state.ts';
import { type Founding, writeGenesis } from '../../src/shards/genesis-state.ts';
import { epochRecordOf, membersOf } from '../../src/shards/members.ts';
import { contributorOf } from '../../src/shards/turns.ts';
import { supplyOf } from '../../src/shards/supply.ts';
import { Overlay } from '../../src/shards/view.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom } from '../helpers/records.ts';
import { accountNamed, foundingOf, idOf, Ledger, NETWORK, TEST_PARAMETERS } from './stake-kit.ts';

const write = (founding: Founding): Overlay => {
  const overlay = new Overlay({ read: () => null });
  writeGenesis(overlay, founding);
  return overlay;
};
const off = (changes: Partial<Founding>): void => {
  expectCode('INVALID_CONFIG', () => write({ ...foundingOf(), ...changes }));
};

describe('height 0', () => {
  test('has the members of the founding record with their admission seeds, so no piece moves', () => {
    const founding = foundingOf();
    const state = write(founding);
    const epoch = epochStateOf(state);
    const members = membersOf(state, epoch.memberCount);
    const sorted = founding.record.members.toSorted((a, b) => Buffer.compare(a.node, b.node));
    const without = ({ operator: _operator, ...rest }: (typeof sorted)[number]) => rest;
    expect(members.map(without)).toEqual(sorted.map(without));
    const previous = epochDigest(founding.record);
    const record = epochRecordOf(
      { ...TEST_PARAMETERS, storage: founding.record.params },
      { network: NETWORK, epoch: epoch.epoch, previous, seed: epoch.seed, shardBits: 0 },
      members,
    );
    expect(epoch.membersDigest).toEqual(epochDigest(record));
    expect(lastHeightOf(epoch)).toBe(10);
  });

  test('counts every token it gives out', () => {
    const ledger = new Ledger({
      stakes: [100n, 200n],
      balances: [
        [
          'alice',
          [
            [0, 5n],
            [1, 7n],
          ],
        ],
      ],
    });
    expect(supplyOf(ledger.view)).toEqual({
      total: [
        [0, 305n],
        [1, 7n],
      ],
      issued: [],
      burned: [],
    });
  });

  test('has the same validators for epochs 0 and 1, the largest stakes above the least', () => {
    const ledger = new Ledger({ stakes: [60n, 99n, 100n, 800n, 700n, 600n, 500n, 400n, 300n] });
    expect(ledger.powers(0)).toEqual(ledger.powers(1));
    const powers = new Set(ledger.powers(0).values());
    expect(powers).toEqual(new Set([800n, 700n, 600n, 500n, 400n, 300n, 100n]));
  });

  test('knows the reveal chains of those who have one', () => {
    const node = idOf('n0');
    const { commitment } = revealChain({ network: NETWORK, node }, digestFrom('secret'), 5);
    const state = write({ ...foundingOf(), chains: [[node, commitment]] });
    expect(contributorOf(state, node)?.current).toEqual(commitment);
    off({ chains: [[idOf('nobody'), commitment]] });
  });

  test('one account may be several operators of the record, and is one on the chain', () => {
    const founding = foundingOf();
    const operators = new Map([...founding.operators].map(([name]) => [name, accountNamed('all')] as const));
    const state = write({ ...founding, operators });
    const members = membersOf(state, 4);
    expect(new Set(members.map(({ operator }) => operator)).size).toBe(1);
  });

  test('is refused when its parts do not fit together', () => {
    const { record, parameters } = foundingOf();
    off({ operators: new Map() });
    off({ parameters: { ...parameters, epochBlocks: 1 } });
    off({ record: { ...record, epoch: 1 as typeof record.epoch } });
    off({ record: { ...record, params: { ...record.params, shardBits: 3 } } });
    off({ balances: [[accountNamed('rich'), [[0, 2n ** 60n]]]] });
    off({
      record: { ...record, members: record.members.map((member) => ({ ...member, stake: 49n as Stake })) },
    });
    off({
      record: { ...record, members: record.members.map((member) => ({ ...member, stake: 99n as Stake })) },
    });
    const many = Array.from({ length: 65 }, (_, index) => ({
      ...record.members[0]!,
      node: digestFrom<NodeId>(`many ${index}`),
      operator: 'o0' as OperatorId,
    }));
    off({ record: { ...record, members: many } });
  });
});
