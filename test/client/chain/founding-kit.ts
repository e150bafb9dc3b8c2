// What networks of these tests are founded on: keys by name, and a founding document of four members.

import { toHex } from '../../../src/base/bytes.ts';
import { type EpochRecord, type Member, networkIdOf, signEpoch } from '../../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId, OperatorId, OwnerId, Stake } from '../../../src/base/ids.ts';
import { DEFAULT_PARAMS } from '../../../src/base/params.ts';
import type { Signer } from '../../../src/base/ports.ts';
import { nativeSha256, nativeSigner } from '../../../src/runtime/crypto.ts';
import { type FoundingDocument, signFounding } from '../../../src/shards/founding.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../../../src/shards/parameters.ts';
import { digestFrom, sampleGenesis, signerFrom } from '../../helpers/records.ts';

const signers = new Map<string, Signer>();
const names = new Map<string, string>();

export function signerNamed(name: string): Signer {
  const known = signers.get(name);
  if (known !== undefined) return known;
  const signer = nativeSigner(digestFrom(`key ${name}`));
  signers.set(name, signer);
  names.set(toHex(signer.publicKey), name);
  return signer;
}

/** Of a key that `signerNamed` gave. */
export const keyName = (key: Uint8Array): string => names.get(toHex(key))!;

export const FOUNDED_AT_MS = 1_750_000_000_000;
const NAMES = ['n0', 'n1', 'n2', 'n3'];

export const PARAMETERS: Parameters = {
  ...DEFAULT_PARAMETERS,
  epochBlocks: 10,
  proposalEpochs: 2,
  stake: { ...DEFAULT_PARAMETERS.stake, validatorMin: 100n, nodeMin: 50n, bondMin: 10n, unbondingEpochs: 30 },
  evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: 300 },
};

export const accountSigner = (name: string): Signer => nativeSigner(digestFrom(`account ${name}`));
export const accountNamed = (name: string): OwnerId => accountSigner(name).publicKey as OwnerId;

export interface LedgerOptions {
  readonly shardBits?: number;
  readonly parameters?: Partial<Parameters>;
  /** Accounts with 10,000 tokens. */
  readonly accounts?: readonly string[];
}

export function foundingOf(options: LedgerOptions = {}): FoundingDocument {
  const { shardBits = 1, accounts = ['alice', 'bob', 'carol'] } = options;
  const genesis = { ...sampleGenesis(), createdAtMs: FOUNDED_AT_MS };
  const record: EpochRecord = {
    network: networkIdOf(genesis),
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: digestFrom('seed'),
    params: { ...DEFAULT_PARAMS, shardBits, shardMembersMin: 1, isTrial: true },
    members: NAMES.map(
      (name): Member => ({
        node: signerNamed(name).publicKey as NodeId,
        operator: `operator-${name}` as OperatorId,
        stake: 1000n as Stake,
        capacityBytes: 2 ** 40,
        admissionSeed: digestFrom(`admission ${name}`),
        domains: [],
      }),
    ).sort((a, b) => (toHex(a.node) < toHex(b.node) ? -1 : 1)),
  };
  const genesisSigner = signerFrom('genesis of sample');
  const sharding = { ...PARAMETERS.sharding, bitsMin: 0, bitsMax: 2 };
  return signFounding(
    signEpoch(genesis, record, genesisSigner),
    {
      parameters: { ...PARAMETERS, sharding, ...options.parameters },
      operators: NAMES.map((name) => [`operator-${name}` as OperatorId, accountNamed(`operator ${name}`)]),
      balances: accounts.map((name) => [accountNamed(name), [[0, 10_000n]]]),
      chains: [],
    },
    genesisSigner,
    nativeSha256,
  );
}
