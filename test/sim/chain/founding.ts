// What a simulated network begins with: keys, the founding document and its state, drawn from the seed. Epochs are a dozen blocks, shards
// split at a few transactions a block, and half of all power may change between two epochs: so that every run has all of it.

import {
  type EpochRecord,
  type Genesis,
  type Member,
  networkIdOf,
  signEpoch,
} from '../../../src/base/epoch.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, OwnerId, Stake } from '../../../src/base/ids.ts';
import { DEFAULT_PARAMS } from '../../../src/base/params.ts';
import type { Signer, Verify } from '../../../src/base/ports.ts';
import { DEFAULT_TIMEOUTS, type TimeoutParams } from '../../../src/consensus/types.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import {
  type ChainPart,
  type FirstHead,
  firstHead,
  type FoundingDocument,
  foundState,
  signFounding,
} from '../../../src/shards/founding.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../../../src/shards/parameters.ts';
import type { Change } from '../../../src/shards/view.ts';
import { simKeys } from '../keys.ts';
import type { SeededRandom } from '../random.ts';

export interface Founded {
  readonly document: FoundingDocument;
  readonly network: NetworkId;
  readonly parameters: Parameters;
  readonly changes: readonly Change[];
  readonly head: FirstHead;
  readonly startMs: number;
  readonly verify: Verify;
  /** One for every machine, validators first. */
  readonly nodes: readonly Signer[];
  /** Of the nodes, in the same order. */
  readonly operators: readonly Signer[];
  readonly clients: readonly Signer[];
}

export interface Cast {
  readonly validators: number;
  /** Machines beyond the validators. */
  readonly others: number;
  readonly clients: number;
}

const START_MS = 1_750_000_000_000;
const STAKE = 100n;

/** Patient ones, and two that a slow network makes too short. */
const TIMEOUTS: readonly TimeoutParams[] = [
  { proposeMs: 400, proposeGrowthMs: 100, voteMs: 150, voteGrowthMs: 50 },
  { proposeMs: 400, proposeGrowthMs: 100, voteMs: 150, voteGrowthMs: 50 },
  { proposeMs: 250, proposeGrowthMs: 100, voteMs: 100, voteGrowthMs: 50 },
  DEFAULT_TIMEOUTS,
];

export function found(random: SeededRandom, cast: Cast): Founded {
  const count = cast.validators + cast.others;
  const { signers, verify: verifySum } = simKeys(random.fork('keys'), 2 * count + cast.clients + 1, false);
  // The cheap ones sign with four bytes: any other is none.
  const verify: Verify = (key, message, signature) =>
    verifySum(key, message, signature) && signature.every((byte, at) => at < 4 || byte === 0);
  const genesisSigner = signers[0]!;
  const nodes = signers.slice(1, 1 + count);
  const operators = signers.slice(1 + count, 1 + 2 * count);
  const clients = signers.slice(1 + 2 * count);
  const genesis: Genesis = {
    name: 'simulated',
    genesisKey: genesisSigner.publicKey,
    createdAtMs: START_MS,
    nonce: random.bytes(16),
  };
  const network = networkIdOf(genesis);
  const members = nodes.slice(0, cast.validators).map(
    (node, index): Member => ({
      node: node.publicKey as NodeId,
      operator: operatorName(index),
      stake: (STAKE + BigInt(random.pick([0, 0, 10, 40]))) as Stake,
      capacityBytes: 2 ** 40,
      admissionSeed: random.bytes(32) as Digest,
      domains: [],
    }),
  );
  const record: EpochRecord = {
    network,
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: random.bytes(32) as Digest,
    params: {
      ...DEFAULT_PARAMS,
      shardBits: random.pick([0, 0, 1]),
      shardMembersMin: 1,
      isTrial: true,
    },
    members,
  };
  const parameters = parametersOf(random);
  const part: ChainPart = {
    parameters,
    operators: members.map(({ operator }, index) => [operator, ownerOf(operators[index]!)]),
    balances: [...operators, ...clients].map((signer) => [ownerOf(signer), amountOf(NATIVE, 10_000n)]),
    chains: [],
  };
  const document = signFounding(signEpoch(genesis, record, genesisSigner), part, genesisSigner, nativeSha256);
  return {
    document,
    network,
    parameters,
    changes: foundState(document, nativeSha256),
    head: firstHead(document, nativeSha256),
    startMs: START_MS,
    verify,
    nodes,
    operators,
    clients,
  };
}

export const ownerOf = (signer: Signer): OwnerId => signer.publicKey as OwnerId;
const operatorName = (index: number): OperatorId => `operator-${index}` as OperatorId;

function parametersOf(random: SeededRandom): Parameters {
  const epochBlocks = random.between(5, 9);
  return {
    ...DEFAULT_PARAMETERS,
    epochBlocks,
    receiptLifetimeBlocks: random.pick([2, 20, 100]),
    rewardPerEpoch: random.pick([0n, 100n]),
    stake: { ...DEFAULT_PARAMETERS.stake, churnPerMillion: 500_000, unbondingEpochs: 2 },
    evidence: { ...DEFAULT_PARAMETERS.evidence, ageBlocks: 2 * epochBlocks, ageMs: 3_600_000 },
    fees: random.chance(0.5) ? { perTransaction: 0n, perByte: 0n } : { perTransaction: 1n, perByte: 0n },
    sharding: { bitsMin: 0, bitsMax: 2, splitLoad: 4, mergeLoad: 1 },
    timeouts: random.pick(TIMEOUTS),
  };
}
