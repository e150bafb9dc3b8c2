import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { networkIdOf } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId, OperatorId, OwnerId, Stake } from '../../src/base/ids.ts';
import { GENESIS_FILE_LENGTH_MAX } from '../../src/base/limits.ts';
import { admit, type Candidate } from '../../src/node/candidate.ts';
import {
  drawGenesis,
  formatGenesis,
  foundNetwork,
  type FoundingMember,
  parseGenesis,
  readGenesis,
  writeGenesis,
} from '../../src/node/genesis.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { encodeFounding, type FoundingDocument } from '../../src/shards/founding.ts';
import { expectCode, expectCodeAsync } from '../helpers/expect-code.ts';
import { SetClock } from '../helpers/keeper.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

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

function member(index: number, overrides: Partial<FoundingMember> = {}): FoundingMember {
  const account = digestFrom<OwnerId>(`account ${index}`);
  const chain = { tip: digestFrom(`tip ${index}`), remaining: 16_384 };
  return { ...candidate(index), account, chain, ...overrides };
}

const found = (name: string, members: readonly FoundingMember[]): FoundingDocument =>
  foundNetwork(ports, drawGenesis(ports, name), {
    members,
    balances: [[digestFrom<OwnerId>('alice'), [[0, 2n ** 53n + 1n]]]],
  });

const founding = found('test', [member(0), member(1), member(2)]);
const { signed } = founding;

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
    const other = found('test', [member(0)]);
    expect(toHex(other.signed.record.network)).not.toBe(toHex(signed.record.network));
  });

  test.each(['', 'Test', 'a b', 'x'.repeat(65), '../x'])('is not founded under the name %j', (name) => {
    expectCode('INVALID_ARGUMENT', () => drawGenesis(ports, name));
  });

  test('has an account of every operator, and the reveal chains that its members have', () => {
    const one = digestFrom<OwnerId>('account');
    const operator = 'operator-0' as OperatorId;
    const { chain: _chain, ...plain } = member(1, { operator, account: one });
    const document = found('test', [member(0, { account: one }), plain, member(2)]);
    expect(document.operators).toEqual([
      [operator, one],
      ['operator-2', member(2).account],
    ]);
    expect(document.chains.map(([node]) => toHex(node)).sort()).toEqual(
      [member(0), member(2)].map(({ node }) => toHex(node)).sort(),
    );
  });

  test('is not founded with two accounts of one operator, without members, or with too little stake', () => {
    const operator = 'operator-0' as OperatorId;
    expectCode('INVALID_ARGUMENT', () => found('test', [member(0), member(1, { operator })]));
    expectCode('INVALID_CONFIG', () => found('test', []));
    expectCode('INVALID_CONFIG', () => found('test', [member(0, { stake: 0n as Stake })]));
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
  test('gives back the document that was written', () => {
    expect(parseGenesis(formatGenesis(founding), 'genesis.json', nativeVerify)).toEqual(founding);
  });

  test('reads well', () => {
    const file = JSON.parse(formatGenesis(founding)) as Record<string, unknown>;
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
      'chain',
    ]);
    const chain = file['chain'] as Record<string, unknown>;
    expect(Object.keys(chain)).toEqual(['parameters', 'operators', 'balances', 'revealChains', 'signature']);
    expect(chain['operators']).toContainEqual({ operator: 'operator-1', account: toHex(member(1).account) });
    expect(chain['balances']).toEqual([
      { account: toHex(digestFrom('alice')), amounts: [{ asset: 0, amount: '9007199254740993' }] },
    ]);
    expect(chain['parameters']).toMatchObject({
      epochBlocks: 3600,
      rewardPerEpoch: '0',
      stake: { nodeMin: '1', validatorsMax: 100 },
      assets: [
        { name: 'native', weight: '1', isCapacity: false },
        { name: 'capacity', weight: '1', isCapacity: true },
      ],
    });
    expect(file['createdAt']).toBe('2025-10-09T08:53:20.000Z');
    expect(file['members']).toContainEqual(
      expect.objectContaining({ operator: 'operator-1', stake: '100', domains: { host: 'h1', rack: 'r1' } }),
    );
  });

  test('every character changed is found, or changes nothing', () => {
    const text = formatGenesis(founding);
    const canonical = toHex(encodeFounding(founding));
    const codes = new Set<string>();
    for (let at = 0; at < text.length; at++) {
      for (const replacement of ['0', ' ']) {
        if (text[at] === replacement) continue;
        const edited = text.slice(0, at) + replacement + text.slice(at + 1);
        try {
          expect(toHex(encodeFounding(parseGenesis(edited, 'f', nativeVerify)))).toBe(canonical);
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
          codes.add(error.code);
        }
      }
    }
    expect([...codes].sort()).toEqual(['INVALID_CONFIG', 'INVALID_SIGNATURE']);
  });

  const edit = (
    change: (
      file: Record<string, never> & {
        members: Record<string, unknown>[];
        chain: Record<'operators' | 'balances' | 'revealChains', Record<string, unknown>[]> & {
          parameters: Record<string, unknown>;
        };
      },
    ) => void,
  ): string => {
    const file = JSON.parse(formatGenesis(founding));
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
      formatGenesis(founding).replace(/"nonce": "[^"]*"/, (all) =>
        all.replace(/[a-f]/g, (letter) => letter.toUpperCase()),
      ),
    ],
    [
      'an account changed',
      'INVALID_SIGNATURE',
      edit((file) => void (file.chain.operators[0]!['account'] = '0'.repeat(64))),
    ],
    ['an operator left out', 'INVALID_SIGNATURE', edit((file) => void file.chain.operators.pop())],
    ['a balance left out', 'INVALID_SIGNATURE', edit((file) => void file.chain.balances.pop())],
    [
      'a reveal chain shortened',
      'INVALID_SIGNATURE',
      edit((file) => void (file.chain.revealChains[0]!['remaining'] = 1)),
    ],
    ['another rule', 'INVALID_SIGNATURE', edit((file) => void (file.chain.parameters['proposalEpochs'] = 1))],
    [
      'rules that contradict each other',
      'INVALID_CONFIG',
      edit((file) => void (file.chain.parameters['epochBlocks'] = 1)),
    ],
    ['a rule that there is not', 'INVALID_CONFIG', edit((file) => void (file.chain.parameters['mercy'] = 1))],
    ['a rule missing', 'INVALID_CONFIG', edit((file) => void delete file.chain.parameters['fees'])],
    [
      'tokens as a number',
      'INVALID_CONFIG',
      edit((file) => void (file.chain.parameters['rewardPerEpoch'] = 0)),
    ],
    ['no chain part', 'INVALID_CONFIG', edit((file) => void delete (file as { chain?: unknown }).chain)],
    ['no JSON', 'INVALID_CONFIG', formatGenesis(founding).slice(0, 200)],
    ['nothing', 'INVALID_CONFIG', ''],
    ['a list', 'INVALID_CONFIG', '[]'],
  ] as const)('with %s is refused as %s, and the message names the file', (_what, code, text) => {
    const error = expectCode(code, () => parseGenesis(text, '/data/genesis.json', nativeVerify));
    expect(error.message).toContain('/data/genesis.json');
    expect(error.next).toContain('Restore');
  });

  test('a key that means something to JavaScript is only a refused field', () => {
    const text = formatGenesis(founding).replace('"name"', '"__proto__"');
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
    await writeGenesis(path, founding);
    expect(await readFile(path, 'utf8')).toBe(formatGenesis(founding));
    expect(await readGenesis(path, nativeVerify)).toEqual(founding);
  });

  test('missing, a folder or far too long is a clear refusal', async () => {
    const error = await expectCodeAsync('NOT_FOUND', readGenesis(join(folder, 'genesis.json'), nativeVerify));
    expect(error.next).toContain('store init');
    await expectCodeAsync('DISK', readGenesis(folder, nativeVerify));
    await writeFile(join(folder, 'long'), Buffer.alloc(GENESIS_FILE_LENGTH_MAX + 1));
    await expectCodeAsync('INVALID_CONFIG', readGenesis(join(folder, 'long'), nativeVerify));
  });
});
