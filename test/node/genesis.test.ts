import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { encodeEpoch, networkIdOf } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId, OperatorId, Stake } from '../../src/base/ids.ts';
import {
  admit,
  type Candidate,
  formatGenesis,
  foundNetwork,
  parseGenesis,
  readGenesis,
  writeGenesis,
} from '../../src/node/genesis.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { expectCode, expectCodeAsync } from '../helpers/expect-code.ts';
import { SetClock } from '../helpers/keeper.ts';
import { signerFrom } from '../helpers/records.ts';

const genesisSigner = signerFrom('genesis');
const ports = { clock: new SetClock(), random: systemRandom, genesisSigner };

function candidate(index: number, overrides: Partial<Candidate> = {}): Candidate {
  return {
    node: signerFrom(`node ${index}`).publicKey as NodeId,
    operator: `operator-${index}` as OperatorId,
    stake: 100n as Stake,
    capacityBytes: 2 ** 40,
    domains: [
      ['rack', 'r1'],
      ['host', `h${index}`],
    ],
    ...overrides,
  };
}

const signed = foundNetwork(ports, { name: 'test', members: [candidate(0), candidate(1), candidate(2)] });

describe('a new network', () => {
  test('has its members in order, with seeds that nobody chose', () => {
    const { record, genesis } = signed;
    expect(toHex(record.network)).toBe(toHex(networkIdOf(genesis)));
    expect(record.members.map(({ operator }) => operator).sort()).toEqual([
      'operator-0',
      'operator-1',
      'operator-2',
    ]);
    expect(new Set(record.members.map(({ admissionSeed }) => toHex(admissionSeed))).size).toBe(3);
    expect(record.members[0]!.domains.map(([name]) => name)).toEqual(['host', 'rack']);
  });

  test('differs from another of the same name and founder', () => {
    const other = foundNetwork(ports, { name: 'test', members: [] });
    expect(toHex(other.record.network)).not.toBe(toHex(signed.record.network));
  });

  test.each(['', 'Test', 'a b', 'x'.repeat(65), '../x'])('is not founded under the name %j', (name) => {
    expectCode('INVALID_ARGUMENT', () => foundNetwork(ports, { name, members: [] }));
  });

  test('takes no member with a failure domain that stands twice, is misspelt, or too many', () => {
    const twice: Candidate['domains'] = [
      ['rack', 'a'],
      ['rack', 'b'],
    ];
    const many = Array.from({ length: 9 }, (_, index) => [`d${index}`, 'x'] as const);
    for (const domains of [twice, many, [['Rack', 'a']] as const, [['rack', '']] as const]) {
      expectCode('INVALID_ARGUMENT', () => admit(candidate(0, { domains }), systemRandom));
    }
  });
});

describe('genesis.json', () => {
  test('gives back the record that was written', () => {
    const parsed = parseGenesis(formatGenesis(signed), 'genesis.json', nativeVerify);
    expect(encodeEpoch(parsed)).toEqual(encodeEpoch(signed));
  });

  test('reads well', () => {
    const file = JSON.parse(formatGenesis(signed)) as Record<string, unknown>;
    expect(Object.keys(file)).toEqual([
      'network',
      'name',
      'genesisKey',
      'createdAt',
      'nonce',
      'epoch',
      'previous',
      'seed',
      'params',
      'members',
      'signature',
    ]);
    expect(file['createdAt']).toBe('2025-10-09T08:53:20.000Z');
    expect(file['members']).toContainEqual(
      expect.objectContaining({ operator: 'operator-1', stake: '100', domains: { host: 'h1', rack: 'r1' } }),
    );
  });

  test('every character changed is found, or changes nothing', () => {
    const text = formatGenesis(signed);
    const canonical = toHex(encodeEpoch(signed));
    const codes = new Set<string>();
    for (let at = 0; at < text.length; at++) {
      for (const replacement of ['0', ' ']) {
        if (text[at] === replacement) continue;
        const edited = text.slice(0, at) + replacement + text.slice(at + 1);
        try {
          expect(toHex(encodeEpoch(parseGenesis(edited, 'f', nativeVerify)))).toBe(canonical);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          codes.add(error.code);
        }
      }
    }
    expect([...codes].sort()).toEqual(['INVALID_CONFIG', 'INVALID_SIGNATURE']);
  });

  const edit = (
    change: (file: Record<string, never> & { members: Record<string, unknown>[] }) => void,
  ): string => {
    const file = JSON.parse(formatGenesis(signed));
    change(file);
    return JSON.stringify(file);
  };

  test.each([
    ['a stake raised', 'INVALID_SIGNATURE', edit((file) => void (file.members[0]!['stake'] = '101'))],
    ['a member left out', 'INVALID_SIGNATURE', edit((file) => void file.members.pop())],
    ['members swapped', 'INVALID_SIGNATURE', edit((file) => void file.members.reverse())],
    ['the network renamed', 'INVALID_SIGNATURE', edit((file) => Object.assign(file, { name: 'other' }))],
    [
      'another network id',
      'INVALID_SIGNATURE',
      edit((file) => Object.assign(file, { network: '0'.repeat(64) })),
    ],
    ['a field added', 'INVALID_CONFIG', edit((file) => Object.assign(file, { color: 'blue' }))],
    ['a field missing', 'INVALID_CONFIG', edit((file) => void delete file['seed'])],
    ['a number where text belongs', 'INVALID_CONFIG', edit((file) => void (file.members[0]!['stake'] = 100))],
    [
      'digits in capitals',
      'INVALID_CONFIG',
      formatGenesis(signed).replace(/"nonce": "[^"]*"/, (all) =>
        all.replace(/[a-f]/g, (letter) => letter.toUpperCase()),
      ),
    ],
    ['no JSON', 'INVALID_CONFIG', formatGenesis(signed).slice(0, 200)],
    ['nothing', 'INVALID_CONFIG', ''],
    ['a list', 'INVALID_CONFIG', '[]'],
  ] as const)('with %s is refused as %s, and the message names the file', (_what, code, text) => {
    const error = expectCode(code, () => parseGenesis(text, '/data/genesis.json', nativeVerify));
    expect(error.message).toContain('/data/genesis.json');
    expect(error.next).toContain('Restore');
  });

  test('a key that means something to JavaScript is only a refused field', () => {
    const text = formatGenesis(signed).replace('"name"', '"__proto__"');
    expectCode('INVALID_CONFIG', () => parseGenesis(text, 'f', nativeVerify));
  });
});

describe('the file on disk', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-genesis-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is written whole and read back', async () => {
    const path = join(folder, 'genesis.json');
    await writeGenesis(path, signed);
    expect(await readFile(path, 'utf8')).toBe(formatGenesis(signed));
    expect(encodeEpoch(await readGenesis(path, nativeVerify))).toEqual(encodeEpoch(signed));
  });

  test('missing, a folder or far too long is a clear refusal', async () => {
    const error = await expectCodeAsync('NOT_FOUND', readGenesis(join(folder, 'genesis.json'), nativeVerify));
    expect(error.next).toContain('store init');
    await expectCodeAsync('DISK', readGenesis(folder, nativeVerify));
    await writeFile(join(folder, 'long'), Buffer.alloc(5 * 2 ** 20));
    await expectCodeAsync('INVALID_CONFIG', readGenesis(join(folder, 'long'), nativeVerify));
  });
});
