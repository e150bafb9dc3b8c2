// The forms of epoch records and founding documents in files that people read: strictly parsed JSON, hex in lower case, tokens as digits
// in quotes. Whether the values make sense, and who signed them, is left to whoever reads them as canonical bytes.

import { z } from 'zod';
import { fromHex, toHex } from '../base/bytes.ts';
import { label } from '../base/codec.ts';
import type { SignedEpoch } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, OwnerId, Signature, Stake } from '../base/ids.ts';
import { ASSETS_MAX, DOMAIN_LABELS_MAX, FOUNDING_BALANCES_MAX, MEMBERS_MAX } from '../base/limits.ts';
import type { FoundingDocument } from '../shards/founding.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../shards/parameters.ts';
import { sortDomains } from './candidate.ts';

const hex = (length: number): z.ZodType<string> =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `not ${2 * length} hex digits in lower case`);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const tokens = z.string().regex(/^(0|[1-9][0-9]{0,19})$/, 'not a whole number of tokens in quotes');

// ---- Epoch records -------------------------------------------------------------------------------------------------

const recordShape = {
  network: hex(32),
  name: label,
  genesisKey: hex(32),
  createdAt: z.iso.datetime({ precision: 3 }),
  nonce: hex(16),
  epoch: count,
  previous: hex(32),
  seed: hex(32),
  params: z.strictObject({
    shardBits: count,
    shardMembersMin: count,
    operatorShareDivisor: count,
    isTrial: z.boolean(),
  }),
  members: z
    .array(
      z.strictObject({
        node: hex(32),
        operator: label,
        stake: tokens,
        capacityBytes: count,
        admissionSeed: hex(32),
        domains: z
          .record(label, label)
          .refine((domains) => Object.keys(domains).length <= DOMAIN_LABELS_MAX, 'too many labels'),
      }),
    )
    .max(MEMBERS_MAX),
  signature: hex(64),
};

const recordForm = z.strictObject(recordShape);
type RecordForm = z.infer<typeof recordForm>;

function recordToForm({ genesis, record, signature }: SignedEpoch): RecordForm {
  return {
    network: toHex(record.network),
    name: genesis.name,
    genesisKey: toHex(genesis.genesisKey),
    createdAt: new Date(genesis.createdAtMs).toISOString(),
    nonce: toHex(genesis.nonce),
    epoch: record.epoch,
    previous: toHex(record.previous),
    seed: toHex(record.seed),
    params: { ...record.params },
    members: record.members.map((member) => ({
      node: toHex(member.node),
      operator: member.operator,
      stake: String(member.stake),
      capacityBytes: member.capacityBytes,
      admissionSeed: toHex(member.admissionSeed),
      domains: Object.fromEntries(member.domains),
    })),
    signature: toHex(signature),
  };
}

function recordFromForm(form: RecordForm): SignedEpoch {
  return {
    genesis: {
      name: form.name,
      genesisKey: fromHex(form.genesisKey),
      createdAtMs: Date.parse(form.createdAt),
      nonce: fromHex(form.nonce),
    },
    record: {
      network: fromHex(form.network) as NetworkId,
      epoch: form.epoch as Epoch,
      previous: fromHex(form.previous) as Digest,
      seed: fromHex(form.seed) as Digest,
      params: form.params,
      members: form.members.map((member) => ({
        node: fromHex(member.node) as NodeId,
        operator: member.operator as OperatorId,
        stake: BigInt(member.stake) as Stake,
        capacityBytes: member.capacityBytes,
        admissionSeed: fromHex(member.admissionSeed) as Digest,
        domains: sortDomains(Object.entries(member.domains)),
      })),
    },
    signature: fromHex(form.signature) as Signature,
  };
}

// ---- Founding documents ----------------------------------------------------------------------------------------------

/** Objects as they are, with whole numbers of tokens as text. */
type Readable<T> = T extends bigint
  ? string
  : T extends object
    ? { readonly [K in keyof T]: Readable<T[K]> }
    : T;

/** Accepts what has the shape of `sample`, whose lists have elements like their first. So a parameter cannot be forgotten. */
function shapeOf(sample: unknown): z.ZodType {
  if (typeof sample === 'bigint') return tokens;
  if (typeof sample === 'number') return count;
  if (typeof sample === 'boolean') return z.boolean();
  if (typeof sample === 'string') return label;
  if (Array.isArray(sample)) return z.array(shapeOf(sample[0])).max(ASSETS_MAX);
  return z.strictObject(
    Object.fromEntries(Object.entries(sample as object).map(([name, value]) => [name, shapeOf(value)])),
  );
}

/** A copy of `value` in the shape of `sample`, with `convert` applied where that has a whole number of tokens. */
function converted(sample: unknown, value: unknown, convert: (tokens: unknown) => unknown): unknown {
  if (typeof sample === 'bigint') return convert(value);
  if (Array.isArray(sample)) {
    return (value as unknown[]).map((element) => converted(sample[0], element, convert));
  }
  if (typeof sample !== 'object') return value;
  const record = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(sample as object).map(([name, inner]) => [name, converted(inner, record[name], convert)]),
  );
}

const parametersForm = shapeOf(DEFAULT_PARAMETERS) as z.ZodType<Readable<Parameters>>;

const foundingForm = z.strictObject({
  ...recordShape,
  chain: z.strictObject({
    parameters: parametersForm,
    operators: z.array(z.strictObject({ operator: label, account: hex(32) })).max(MEMBERS_MAX),
    balances: z
      .array(
        z.strictObject({
          account: hex(32),
          amounts: z.array(z.strictObject({ asset: count, amount: tokens })).max(ASSETS_MAX),
        }),
      )
      .max(FOUNDING_BALANCES_MAX),
    revealChains: z.array(z.strictObject({ node: hex(32), tip: hex(32), remaining: count })).max(MEMBERS_MAX),
    signature: hex(64),
  }),
});
type FoundingForm = z.infer<typeof foundingForm>;

export function foundingToJson(document: FoundingDocument): object {
  const { signed, parameters, operators, balances, chains, signature } = document;
  const form: FoundingForm = {
    ...recordToForm(signed),
    chain: {
      parameters: converted(DEFAULT_PARAMETERS, parameters, String) as Readable<Parameters>,
      operators: operators.map(([operator, account]) => ({ operator, account: toHex(account) })),
      balances: balances.map(([owner, amounts]) => ({
        account: toHex(owner),
        amounts: amounts.map(([asset, amount]) => ({ asset, amount: String(amount) })),
      })),
      revealChains: chains.map(([node, { tip, remaining }]) => ({
        node: toHex(node),
        tip: toHex(tip),
        remaining,
      })),
      signature: toHex(signature),
    },
  };
  return form;
}

/** Throws INVALID_CONFIG when `json` has another form. Nothing is verified. */
export function foundingFromJson(json: unknown): FoundingDocument {
  const { chain, ...record } = inForm(foundingForm, json);
  const toTokens = (text: unknown): bigint => BigInt(text as string);
  return {
    signed: recordFromForm(record),
    parameters: converted(DEFAULT_PARAMETERS, chain.parameters, toTokens) as Parameters,
    operators: chain.operators.map(({ operator, account }) => [
      operator as OperatorId,
      fromHex(account) as OwnerId,
    ]),
    balances: chain.balances.map(({ account, amounts }) => [
      fromHex(account) as OwnerId,
      amounts.map(({ asset, amount }) => [asset, BigInt(amount)]),
    ]),
    chains: chain.revealChains.map(({ node, tip, remaining }) => [
      fromHex(node) as NodeId,
      { tip: fromHex(tip) as Digest, remaining },
    ]),
    signature: fromHex(chain.signature) as Signature,
  };
}

function inForm<T>(form: z.ZodType<T>, json: unknown): T {
  const parsed = form.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new StoreError('INVALID_CONFIG', `${issue.path.join('.') || 'the file'}: ${issue.message}`);
}
