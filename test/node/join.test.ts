// Invitations and joins, on a real node over real sockets.

import { readdir, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dataFolder } from '../../src/node/data-folder.ts';
import { candidateOf, finishFolder, foundFolders } from '../../src/node/folder-setup.ts';
import { formatInvitation, parseInvitation } from '../../src/node/invitation.ts';
import { descriptionFromCode, makeInvitation, takeBack } from '../../src/node/invite.ts';
import type { JoinStep } from '../../src/node/join.ts';
import { accountOf } from '../../src/node/node-keys.ts';
import { balanceIn } from '../../src/node/operator-actions.ts';
import { loadIdentity } from '../../src/runtime/identity.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { JoiningNetwork, NODE_CONFIG } from '../helpers/joining.ts';

let net: JoiningNetwork;
beforeEach(async () => {
  net = await JoiningNetwork.start();
});
afterEach(() => net.stop());

describe('a join', () => {
  test('that was interrupted at any step goes on where it was', async () => {
    const { code } = await net.invite();
    const steps: JoinStep[] = [];
    for (const stopAt of ['tokens', 'register', 'beacon'] as const) {
      const onStep = (step: JoinStep): void => {
        steps.push(step);
        if (step === stopAt) throw new Error('interrupted');
      };
      await expect(net.join(code, 'bob', { chain: net.chain, onStep })).rejects.toThrow('interrupted');
    }
    const first = await net.join(code, 'bob', { chain: net.chain });
    expect(steps).toEqual([
      'folder',
      'tokens',
      'folder',
      'tokens',
      'register',
      'folder',
      'tokens',
      'register',
      'beacon',
    ]);
    const second = await net.join(code, 'bob', { chain: net.chain });
    expect(second.memberFrom).toBe(first.memberFrom);
    expect(second.bonded).toBe(100n);
  });

  test('with a code that was used says so, and so does one that was taken back', async () => {
    const { code } = await net.invite();
    await net.join(code, 'bob', { chain: net.chain });
    const error = await expectCodeAsync('UNAUTHORIZED', net.join(code, 'carol', { chain: net.chain }));
    expect(error.next).toContain('Ask for a new one');
    const { code: other } = await net.invite(50n);
    expect(await takeBack({ folder: net.folderOf('alice'), chain: net.chain }, other)).toBe(50n);
    await expectCodeAsync('NOT_FOUND', takeBack({ folder: net.folderOf('alice'), chain: net.chain }, other));
    await expectCodeAsync('UNAUTHORIZED', net.join(other, 'carol', { chain: net.chain }));
    expect(await readdir(net.folderOf('carol'))).toContain('operator.key');
  });

  test('leads nowhere with a mistyped code, without an address, or in the folder of another network', async () => {
    const { code } = await net.invite();
    await expectCodeAsync('INVALID_ARGUMENT', net.join(`${code}a`, 'bob', { chain: net.chain }));
    const without = formatInvitation({ ...parseInvitation(code), addresses: [] });
    await expectCodeAsync('UNREACHABLE', net.join(without, 'bob'));
    const folder = dataFolder(net.folderOf('other'));
    const config = { ...NODE_CONFIG, operator: 'other' };
    const { founding } = await foundFolders([folder], 'other', {
      candidates: ([identity]) => [candidateOf(identity!, config)],
    });
    await finishFolder(folder, founding, config);
    await expectCodeAsync('ALREADY_EXISTS', net.join(code, 'other', { chain: net.chain }));
  });
});

describe('an invitation', () => {
  test('costs what it promises, and no more than the account has', async () => {
    const operator = await loadIdentity(dataFolder(net.folderOf('alice')).operatorKey);
    const error = await expectCodeAsync('REFUSED', net.invite(1_000_001n));
    expect(error.message).toContain('1000000');
    await expectCodeAsync('INVALID_ARGUMENT', net.invite(0n));
    const { value } = await net.chain.read((state) => balanceIn(state, accountOf(operator)));
    expect(value).toBe(1_000_000n);
  });

  test('is kept in a private file before it is worth anything, and tells where the network is', async () => {
    const { code } = await net.invite();
    const { invitations } = dataFolder(net.folderOf('alice'));
    expect((await stat(invitations)).mode & 0o077).toBe(0);
    const bootstrap = [...net.founder.status().addresses.bulk];
    expect(descriptionFromCode(code)).toMatchObject({ name: 'test', bootstrap });
    await expectCodeAsync(
      'INVALID_CONFIG',
      makeInvitation({ folder: net.folderOf('alice'), chain: net.chain }),
    );
  });
});
