// A machine's way through a network, on real nodes over real sockets: it is invited, becomes a member and a validator, and goes again.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { equal } from '../../src/base/bytes.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { readGenesis } from '../../src/node/genesis.ts';
import { leaveNetwork } from '../../src/node/leave.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { bondsOf } from '../../src/shards/bonds.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { JoiningNetwork, until } from '../helpers/joining.ts';

let net: JoiningNetwork;
beforeEach(async () => {
  net = await JoiningNetwork.start();
});
afterEach(() => net.stop());

test('a machine with an invitation becomes a member and a validator two epochs later, and leaves again', async () => {
  const { code, balance } = await net.invite();
  expect(balance).toBe(999_900n);
  const made = await net.join(code, 'bob');
  const { identity, account, epoch, memberFrom } = made;
  expect(made).toMatchObject({ bonded: 100n, memberFrom: epoch + 2, validatorFrom: epoch + 2 });
  expect(await readGenesis(dataFolder(net.folderOf('bob')).genesisFile, nativeVerify)).toEqual(made.founding);
  const bob = await net.run('bob');
  expect(bob.status()).toMatchObject({ isMember: false });
  await net.reach(memberFrom);
  await until('membership', () => bob.status().isMember && bob.status().epoch >= memberFrom);
  expect(net.founder.status().members).toBe(2);
  await until(
    'acquaintance',
    () => bob.status().neighbours.length + net.founder.status().neighbours.length === 2,
  );
  await until('its vote', () => bob.status().chain.role === 'validating');
  const bonds = await net.chain.read((state) => bondsOf(state, identity.nodeId));
  expect(bonds.value).toEqual([{ owner: account, amounts: [[0, 100n]] }]);

  const left = await leaveNetwork({ folder: net.folderOf('bob'), chain: net.chain });
  expect(left).toMatchObject({ leaving: 100n, memberUntil: left.epoch });
  expect(equal(left.node, identity.nodeId)).toBe(true);
  await net.reach(left.epoch + 1);
  await until('the end of its membership', () => !bob.status().isMember);
  expect(net.founder.status().members).toBe(1);
  const again = await leaveNetwork({ folder: net.folderOf('bob'), chain: net.chain });
  expect(again).toMatchObject({ leaving: 100n, memberUntil: undefined });
  await expectCodeAsync('ALREADY_EXISTS', net.join((await net.invite()).code, 'bob', { chain: net.chain }));
}, 60_000);
