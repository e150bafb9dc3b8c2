import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import type { Epoch } from '../../src/base/ids.ts';
import { loadConfig } from '../../src/node/config.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { FOUNDER_BALANCE } from '../../src/node/folder-setup.ts';
import { readGenesis } from '../../src/node/genesis.ts';
import { prepareLocalNetwork } from '../../src/node/local-network.ts';
import { createNode } from '../../src/node/node.ts';
import { makeKeys } from '../../src/node/node-keys.ts';
import { openSigner } from '../../src/node/validator/signer-file.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { accountOf } from '../../src/shards/account.ts';
import { foundState } from '../../src/shards/founding.ts';
import { contributorOf } from '../../src/shards/turns.ts';
import { settledEntries } from '../../src/shards/validator-sets.ts';
import { Overlay } from '../../src/shards/view.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';
import { until } from '../helpers/storage-nodes.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
});
afterEach(() => rm(root, { recursive: true }));

const silent = (): void => undefined;
const logger = { debug: silent, info: silent, warn: silent, error: silent };

test('a local network has so many members of as many operators, and says that it is a trial', async () => {
  const made = await prepareLocalNetwork({ folder: root, count: 5 });
  const epochs = await Promise.all(
    made.nodeFolders.map((path) => readGenesis(dataFolder(path).genesisFile, nativeVerify)),
  );
  for (const { signed, parameters } of epochs) {
    const { record } = signed;
    expect(parameters.epochBlocks).toBe(120);
    expect(toHex(record.network)).toBe(made.description.network);
    expect(record.params.isTrial).toBe(true);
    expect(new Set(record.members.map(({ operator }) => operator)).size).toBe(5);
    expect(record.members.every(({ domains }) => domains.join() === 'host,local')).toBe(true);
  }
  expect(JSON.parse(await readFile(made.networkFile, 'utf8'))).toEqual(made.description);
  const configs = await Promise.all(
    made.nodeFolders.map((path) => loadConfig({ file: dataFolder(path).configFile })),
  );
  expect(new Set(configs.flatMap(({ controlPort, bulkPort }) => [controlPort, bulkPort])).size).toBe(10);
  expect(made.description.bootstrap).toEqual(
    configs.map(({ bulkPort }) => `/ip4/127.0.0.1/tcp/${bulkPort}/tls`),
  );
});

test('every member is a validator from the first block on, with an account and a reveal chain of its own', async () => {
  const made = await prepareLocalNetwork({ folder: root, count: 4 });
  const folders = made.nodeFolders.map(dataFolder);
  const document = await readGenesis(folders[2]!.genesisFile, nativeVerify);
  const { network } = document.signed.record;
  const records = new Map(foundState(document, nativeSha256).map(({ key, after }) => [key.text, after]));
  const state = new Overlay({ read: (key) => records.get(key.text) ?? null });
  const validators = settledEntries(state, 0).map(({ node }) => toHex(node));
  expect(validators.length).toBe(4);
  const accounts = new Set<string>();
  for (const folder of folders) {
    const { identity, account, beacon } = await makeKeys(folder, network, false);
    expect(validators).toContain(toHex(identity.nodeId));
    const contributor = contributorOf(state, identity.nodeId);
    expect(beacon.reveal(contributor, 0 as Epoch)).toBeDefined();
    expect(beacon.isRunningOut(contributor, 0 as Epoch, 2 * document.parameters.epochBlocks)).toBe(false);
    expect(accountOf(state, account).balances).toEqual([[0, FOUNDER_BALANCE]]);
    accounts.add(toHex(account));
    const guard = { folder: join(folder.validator, 'signer'), network, clock: systemClock, identity };
    await (await openSigner(guard)).signer.close();
  }
  expect(accounts.size).toBe(4);
});

test('its nodes start, find each other, and do so again under the same ports', async () => {
  const made = await prepareLocalNetwork({ folder: root, count: 3 });
  for (let round = 0; round < 2; round++) {
    const nodes = await Promise.all(made.nodeFolders.map((folder) => createNode({ folder, logger })));
    try {
      await until('each other', () => nodes.every((node) => node.status().neighbours.length === 2));
      expect(nodes.map((node) => node.status().addresses.bulk[0])).toEqual(made.description.bootstrap);
      expect(nodes.map((node) => node.status().isMember)).toEqual([true, true, true]);
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  }
});

test('a second call finds the network that is there', async () => {
  const folder = join(root, 'deep', 'down');
  const made = await prepareLocalNetwork({ folder, count: 3 });
  expect(await prepareLocalNetwork({ folder, count: 3 })).toEqual({ ...made, isNew: false });
});

test('another number of nodes is refused and says which number is there', async () => {
  await prepareLocalNetwork({ folder: root, count: 3 });
  const error = await expectCodeAsync('INVALID_ARGUMENT', prepareLocalNetwork({ folder: root, count: 4 }));
  expect(error.next).toContain('--nodes 3');
  for (const count of [0, -1, 1.5, 65, Number.NaN]) {
    await expectCodeAsync('INVALID_ARGUMENT', prepareLocalNetwork({ folder: join(root, 'x'), count }));
  }
});

test('a folder that is not whole is refused and left alone', async () => {
  const made = await prepareLocalNetwork({ folder: root, count: 2 });
  const text = await readFile(made.networkFile, 'utf8');
  await writeFile(made.networkFile, '{');
  await expectCodeAsync('INVALID_CONFIG', prepareLocalNetwork({ folder: root, count: 2 }));
  await rm(made.networkFile);
  const error = await expectCodeAsync('INVALID_CONFIG', prepareLocalNetwork({ folder: root, count: 2 }));
  expect(error.message).toContain('never finished');
  await writeFile(made.networkFile, text);
  await rm(dataFolder(made.nodeFolders[1]!).genesisFile);
  await expectCodeAsync('NOT_FOUND', prepareLocalNetwork({ folder: root, count: 2 }));
});
