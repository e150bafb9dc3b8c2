import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { loadConfig } from '../../src/node/config.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { readGenesis } from '../../src/node/genesis.ts';
import { prepareLocalNetwork } from '../../src/node/local-network.ts';
import { createNode } from '../../src/node/node.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
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
  for (const { record } of epochs) {
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

test('its nodes start, find each other, and do so again under the same ports', async () => {
  const made = await prepareLocalNetwork({ folder: root, count: 3 });
  for (let round = 0; round < 2; round++) {
    const nodes = await Promise.all(made.nodeFolders.map((folder) => createNode({ folder, logger })));
    try {
      await until('each other', () => nodes.every((node) => node.status().neighbours.length === 2));
      expect(nodes.map((node) => node.status().addresses.bulk[0])).toEqual(made.description.bootstrap);
      expect(nodes.map((node) => node.status().isFounder)).toEqual([true, false, false]);
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
