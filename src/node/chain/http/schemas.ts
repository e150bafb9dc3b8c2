// The JSON of the HTTP interface as schemas: what `json.ts` gives, and what the OpenAPI document says. Those with a name stand in the
// document once. Objects are strict: a member that is not described here is a mistake of ours, which the tests find.

import { z } from 'zod';
import { REFUSALS } from '../../../shards/operation.ts';

// ---- Words -------------------------------------------------------------------------------------------------------

const hexOf = (length: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`));

const digest = hexOf(32).meta({
  id: 'Digest',
  description: '32 bytes as hexadecimal digits: a digest, a public key or an id.',
});
const signature = hexOf(64).meta({
  id: 'Signature',
  description: 'ed25519 signature as hexadecimal digits.',
});
const bytes = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .meta({ id: 'Bytes', description: 'Bytes as lower-case hexadecimal digits.' });
const integer = z.int().min(0).meta({ id: 'Integer' });
const decimal = z
  .string()
  .regex(/^(0|[1-9][0-9]*)$/)
  .meta({ id: 'Decimal', description: 'An unsigned integer of 64 bits as decimal digits.' });
const asset = z.strictObject({ asset: integer, amount: decimal }).meta({
  id: 'Amount',
  description: 'So much of an asset, which is an index in the list of the parameters; 0 is the native token.',
});
const amounts = z.array(asset);
/** Whatever the ledger has there: it follows the rule of `json.ts` and is described in the ledger's formats. */
const anything = z.unknown();
const refusal = z.enum(REFUSALS).nullable().meta({
  id: 'Refusal',
  description: 'Why nothing came of it but nonce and fee; null when it was done.',
});

// ---- Errors ------------------------------------------------------------------------------------------------------

export const ERROR: z.ZodType = z
  .strictObject({
    error: z.strictObject({
      code: z.string().meta({ description: 'One of a closed list, as of the command line.' }),
      message: z.string(),
      next: z.string().nullable().meta({ description: 'What can be done about it.' }),
    }),
  })
  .meta({ id: 'Error' });

// ---- Blocks ------------------------------------------------------------------------------------------------------

export const HEADER: z.ZodType = z
  .strictObject({
    id: digest,
    network: digest,
    height: integer,
    epoch: integer,
    timeMs: integer,
    parent: digest,
    lastCommit: digest,
    validators: digest,
    nextValidators: digest,
    shardBits: integer,
    stateRoot: digest,
    shardsRoot: digest,
    transactionsRoot: digest,
    receiptsRoot: digest,
    evidenceRoot: digest,
    body: digest,
    proposer: digest,
    reveal: digest.nullable(),
  })
  .meta({ id: 'Header', description: 'Of a block. It names the state after the height before.' });

const certificate = z
  .strictObject({
    kind: z.literal('commit-certificate'),
    height: integer,
    round: integer,
    blockId: digest,
    signatures: z.array(z.strictObject({ validator: integer, signature })),
  })
  .meta({ id: 'CommitCertificate', description: 'Precommits of more than two thirds of all power.' });

const action = z
  .strictObject({ kind: z.string(), parameters: anything })
  .meta({ id: 'Action', description: 'A kind of transaction and its parameters.' });

const transactionParts = {
  id: digest,
  network: digest,
  sender: digest,
  nonce: integer,
  fee: decimal,
  expiresAtHeight: integer,
  action,
  signature,
  lengthBytes: integer,
};

const transaction = z.strictObject(transactionParts).meta({ id: 'Transaction' });

export const LIGHT: z.ZodType = z
  .strictObject({
    header: HEADER,
    certificate,
    validators: z.strictObject({
      validators: z.array(z.strictObject({ node: digest, power: decimal })),
      totalPower: decimal,
    }),
    bytes,
  })
  .meta({
    id: 'LightBlock',
    description: 'Header, decision and who decided; `bytes` is the whole as peers send it.',
  });

export const BLOCK: z.ZodType = z
  .strictObject({
    header: HEADER,
    lengthBytes: integer,
    certificate,
    lastCommit: certificate.nullable(),
    evidence: z.array(anything),
    reclaims: z.array(anything),
    parcels: z.array(anything),
    transactions: z.array(z.strictObject({ ...transactionParts, refusal })),
  })
  .meta({ id: 'Block' });

export const HEAD: z.ZodType = z.strictObject({
  height: integer,
  id: digest,
  timeMs: integer,
  header: HEADER.nullable().meta({ description: 'Null at height 0, which is no block.' }),
});

export const STATUS: z.ZodType = z.strictObject({
  network: digest,
  role: z.enum(['syncing', 'following', 'validating', 'fetching']).meta({
    description:
      'fetching: the node was far behind, and the state of a later height is on its way. Other routes are BUSY meanwhile.',
  }),
  height: integer,
  id: digest,
  timeMs: integer,
  epoch: integer,
  oldestBlock: integer,
  oldestState: integer,
  waitingTransactions: integer,
  fetching: z
    .strictObject({
      height: integer.nullable().meta({ description: 'Of the state; null while one is looked for.' }),
      percent: integer.meta({ description: 'Of its records, as far as they are here.' }),
      records: integer.meta({ description: 'Fetched since the node was started, and their bytes.' }),
      bytes: integer,
    })
    .nullable(),
});

// ---- Audits ------------------------------------------------------------------------------------------------------

export const AUDITS: z.ZodType = z.strictObject({
  pieces: integer.meta({ description: 'Pieces, and copies of manifests.' }),
  leaves: integer.meta({ description: 'Of 1,024 bytes, as many as those are long.' }),
  rounds: z
    .array(
      z.strictObject({
        round: integer,
        height: integer.meta({ description: 'Of the block that began it.' }),
        timeMs: integer,
        group: integer
          .nullable()
          .meta({ description: 'In which the node is audited; null for one that is no member.' }),
        auditors: integer.meta({ description: 'Validators with seats in that group.' }),
        audits: integer.meta({ description: 'Groups that this node audits.' }),
        asked: z.array(
          z.strictObject({
            object: digest,
            segment: integer.nullable().meta({ description: 'Null: a copy of the manifest.' }),
            piece: integer,
            leaf: integer,
          }),
        ),
      }),
    )
    .meta({ description: 'The last that the node took part in since it was started, the newest last.' }),
});

// ---- Transactions ------------------------------------------------------------------------------------------------

export const INCLUDED: z.ZodType = z.discriminatedUnion('status', [
  z.strictObject({
    status: z.literal('included'),
    height: integer,
    index: integer,
    count: integer.meta({ description: 'Transactions of the block.' }),
    refusal,
    transaction,
    bytes,
    proof: z
      .strictObject({ light: bytes, path: z.array(digest) })
      .optional()
      .meta({ description: "A light block, and the way from the id to its header's transactionsRoot." }),
  }),
  z.strictObject({ status: z.literal('waiting') }),
]);

export const TO_SUBMIT: z.ZodType<{ readonly hex: string } | { readonly base64: string }> = z.union([
  z.strictObject({ hex: z.string().regex(/^([0-9a-fA-F]{2})+$/, 'not hexadecimal digits') }),
  z.strictObject({
    base64: z
      .string()
      .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'not base64')
      .min(4),
  }),
]);

export const SUBMITTED: z.ZodType = z.strictObject({ id: digest });

// ---- State -------------------------------------------------------------------------------------------------------

const stateProof = z
  .strictObject({
    light: bytes,
    shards: z.array(bytes),
    records: z.array(z.strictObject({ path: digest, record: bytes.nullable(), proof: bytes })),
  })
  .meta({
    id: 'StateProof',
    description:
      'A light block of the height after the state, the shard headers under its shardsRoot, and every record that was read with its way to the stateRoot of its shard.',
  });

/** An answer about the state: `value` is null where there is nothing, which can be proven as well. */
export function stateAnswer(value: z.ZodType): z.ZodType {
  return z.strictObject({
    height: integer.meta({ description: 'The answer is of the state after this height.' }),
    value: value.nullable(),
    proof: stateProof.optional(),
  });
}

export const RECORD: z.ZodType = z.strictObject({ path: digest, record: bytes });

export const ACCOUNT: z.ZodType = z
  .strictObject({
    owner: digest,
    nonce: integer.meta({ description: 'That the next transaction carries.' }),
    balances: amounts,
    buckets: z.array(z.string()),
    operator: z.strictObject({ nodes: z.array(digest), jailedUntil: integer, isTombstoned: z.boolean() }),
  })
  .meta({ id: 'Account' });

export const VALIDATORS: z.ZodType = z
  .strictObject({
    epoch: integer,
    totalPower: decimal,
    validators: z.array(
      z.strictObject({ node: digest, power: decimal, registration: digest, operator: digest }),
    ),
  })
  .meta({ id: 'Validators' });

export const NODE: z.ZodType = z
  .strictObject({
    registration: digest,
    operator: digest,
    key: digest,
    place: integer,
    registeredEpoch: integer,
    keyedEpoch: integer,
    admissionSeed: digest.nullable(),
    provenGib: integer,
    capacityBytes: integer,
    domains: z.array(z.strictObject({ label: z.string(), value: z.string() })),
    validates: z.boolean(),
    acceptsDelegation: z.boolean(),
    bonded: amounts,
    waiting: amounts,
    isRetired: z.boolean(),
    isTombstoned: z.boolean(),
    isJailed: z.boolean(),
    jailedUntil: integer,
    offence: z
      .strictObject({
        class: z.enum(['double-sign', 'attack']),
        epoch: integer,
        takenPerMillion: integer,
      })
      .nullable(),
    bonds: z.array(z.strictObject({ owner: digest, amounts })),
    unbonding: z.array(
      z.strictObject({ owner: digest, asset: integer, amount: decimal, lastEpoch: integer.nullable() }),
    ),
  })
  .meta({ id: 'Node' });

export const EPOCH: z.ZodType = z
  .strictObject({
    epoch: integer,
    lengthBlocks: integer,
    seed: digest,
    shardBits: integer,
    mode: z.enum(['shared', 'endorsed']),
    membersDigest: digest,
    previousDigest: digest,
    memberCount: integer,
    firstHeight: integer,
    lastHeight: integer,
    startedAtMs: integer,
    oldestEpoch: integer.meta({ description: 'The oldest whose validators are remembered.' }),
  })
  .meta({ id: 'Epoch' });

export const SHARDS: z.ZodType = z
  .strictObject({
    shardBits: integer,
    nextShardBits: integer,
    receiptsWaiting: integer,
    shards: z.array(z.strictObject({ shard: integer, stateRoot: digest, outboxRoot: digest, bytes })),
  })
  .meta({ id: 'Shards' });

export const PARAMETERS: z.ZodType = z
  .strictObject({
    digest,
    epochBlocks: integer,
    proposalEpochs: integer,
    receiptLifetimeBlocks: integer,
    rewardPerEpoch: decimal,
    stake: z.strictObject({
      validatorMin: decimal,
      nodeMin: decimal,
      bondMin: decimal,
      validatorsMax: integer,
      churnPerMillion: integer,
      unbondingEpochs: integer,
    }),
    evidence: z.strictObject({ ageBlocks: integer, ageMs: integer, reporterPerMillion: integer }),
    slashing: z.strictObject({
      doubleSignPerMillion: integer,
      correlationFactor: integer,
      attackPerMillion: integer,
      downtimePerMillion: integer,
      missedPerMillion: integer,
      missedMin: integer,
      jailEpochs: integer,
    }),
    assets: z.array(z.strictObject({ name: z.string(), weight: decimal, isCapacity: z.boolean() })),
    fees: z.strictObject({ perTransaction: decimal, perByte: decimal }),
    sharding: z.strictObject({ bitsMin: integer, bitsMax: integer, splitLoad: integer, mergeLoad: integer }),
    storage: z.strictObject({
      shardMembersMin: integer,
      operatorShareDivisor: integer,
      isTrial: z.boolean(),
    }),
    timeouts: z.strictObject({
      proposeMs: integer,
      proposeGrowthMs: integer,
      voteMs: integer,
      voteGrowthMs: integer,
    }),
    audit: z.strictObject({
      roundMs: integer,
      leaves: integer,
      sweepRounds: integer,
      seats: integer,
      groupNodes: integer,
      roundsKept: integer,
      suspendRounds: integer,
      lostRounds: integer,
      expelRounds: integer,
      lostPiecePerMillion: integer,
      expelPerMillion: integer,
      liePerMillion: integer,
      disputeBond: decimal,
      graceBlocks: integer,
    }),
    prices: z.strictObject({ perGib: decimal, epochMs: integer }),
  })
  .meta({ id: 'Parameters' });

const code = z.strictObject({ k: integer, n: integer });

export const BUCKET: z.ZodType = z
  .strictObject({
    id: digest,
    owner: digest,
    name: z.string(),
    policy: z.strictObject({ code: code.nullable(), isEncrypted: z.boolean(), isPublic: z.boolean() }),
    createdAtHeight: integer,
    directoryHeight: integer,
    names: integer,
    bytes: decimal,
  })
  .meta({ id: 'Bucket' });

export const OBJECT: z.ZodType = z
  .strictObject({
    id: digest,
    owner: digest,
    salt: bytes,
    shape: z.strictObject({
      lengthBytes: integer,
      code,
      segmentCells: integer,
      isEncrypted: z.boolean(),
      isInline: z.boolean(),
    }),
    keyCheck: bytes.nullable(),
    manifest: z.strictObject({ digest, lengthBytes: integer, holders: z.array(digest) }),
    registered: integer,
    registeredAtHeight: integer,
    expiresAtMs: integer.nullable(),
    isLeaving: z.boolean(),
    deposits: z.array(z.strictObject({ perEpoch: decimal, from: integer, until: integer })),
    segments: integer,
    isComplete: z.boolean(),
    segmentsPerPart: integer,
    part: z
      .array(z.strictObject({ salt: bytes, roots: z.array(digest), holders: z.array(digest) }))
      .nullable(),
  })
  .meta({ id: 'Object' });
