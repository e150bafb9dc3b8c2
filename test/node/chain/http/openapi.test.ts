// The document against the table and against live answers: what the server says is checked by the document's own schemas.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { toHex } from '../../../../src/base/bytes.ts';
import type { Digest } from '../../../../src/base/ids.ts';
import type { Json, JsonObject } from '../../../../src/node/chain/http/json.ts';
import { openApi } from '../../../../src/node/chain/http/openapi.ts';
import { ROUTES } from '../../../../src/node/chain/http/routes.ts';
import { bucketIdOf } from '../../../../src/shards/bucket.ts';
import { DEFAULT_POLICY } from '../../../../src/shards/bucket.ts';
import { objectKey } from '../../../../src/shards/object-record.ts';
import { parametersKey } from '../../../../src/shards/parameters.ts';
import { digestFrom } from '../../../helpers/records.ts';
import { ownerOf } from '../query-kit.ts';
import { Served } from './http-kit.ts';

const document = openApi();
const at = (json: Json, ...names: string[]): Json =>
  names.reduce<Json>((value, name) => (value as JsonObject)[name]!, json);

/** The schema of an answer, with everything that it refers to in place. */
function answerSchema(template: string, method: string, status: string): z.ZodType {
  const schema = at(
    document,
    'paths',
    template,
    method,
    'responses',
    status,
    'content',
    'application/json',
    'schema',
  );
  return z.fromJSONSchema(inPlace(schema) as Parameters<typeof z.fromJSONSchema>[0]);
}

function inPlace(json: Json): Json {
  if (Array.isArray(json)) return json.map(inPlace);
  if (typeof json !== 'object' || json === null) return json;
  const { $ref } = json as JsonObject;
  if (typeof $ref === 'string') return inPlace(at(document, ...$ref.slice(2).split('/')));
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, inPlace(value as Json)]));
}

let served: Served;
let paid: Digest;
const BUCKET_NAME = 'photos';

beforeAll(async () => {
  served = await Served.start({ shardBits: 1 });
  const { solo } = served;
  const payment = solo.pay('alice', 0, 'bob', 10n);
  paid = payment.id;
  const bucket = bucketIdOf(solo.network, ownerOf('alice'), BUCKET_NAME);
  const create = { kind: 'create-bucket', parameters: { bucket, name: BUCKET_NAME, policy: DEFAULT_POLICY } };
  await solo.intake.submit(payment.bytes);
  await solo.intake.submit(solo.signed('alice', 1, create).bytes);
  await solo.intake.submit(solo.pay('alice', 2, 'carol', 99_999n).bytes);
  await solo.steps(4);
});

afterAll(() => served.close());

test('the document is the one in docs', () => {
  const written = readFileSync(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8');
  expect(JSON.parse(written), 'write it anew: node scripts/openapi.ts').toEqual(document);
});

test('every route is in the document once, under a name of its own, and nothing else is', () => {
  const described = Object.entries(document['paths'] as JsonObject).flatMap(([template, operations]) =>
    Object.keys(operations as JsonObject).map((method) => `${method.toUpperCase()} ${template}`),
  );
  expect(described.toSorted()).toEqual(
    ROUTES.map(({ method, template }) => `${method} ${template}`).toSorted(),
  );
  const names = ROUTES.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('everything that it refers to is there', () => {
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name!);
  expect(references.length).toBeGreaterThan(50);
  for (const name of new Set(references)) {
    expect(name).toMatch(/^#\/components\/schemas\/[A-Za-z]+$/);
    expect(at(document, ...name.slice(2).split('/')), name).toBeDefined();
  }
  expect(JSON.stringify(document)).not.toContain('$defs');
});

describe('live answers are what the document says', () => {
  /** Requests of each route: at least one that finds something, and with proofs where there are any. */
  const requests = (): Readonly<Record<string, readonly string[]>> => {
    const alice = toHex(ownerOf('alice'));
    const { network } = served.solo;
    const none = toHex(digestFrom('nothing'));
    return {
      '/v1/status': [''],
      '/v1/audits': [''],
      '/v1/head': [''],
      '/v1/blocks/{height}': ['/v1/blocks/1', '/v1/blocks/4'],
      '/v1/headers/{height}': ['/v1/headers/2'],
      '/v1/light/{height}': ['/v1/light/3'],
      '/v1/transactions/{id}': [`/v1/transactions/${toHex(paid)}`, `/v1/transactions/${toHex(paid)}?prove=1`],
      '/v1/state/{path}': [
        `/v1/state/${toHex(parametersKey().path)}?prove=1`,
        `/v1/state/${toHex(objectKey(digestFrom('none')).path)}?prove=1`,
      ],
      '/v1/accounts/{owner}': [
        `/v1/accounts/${alice}`,
        `/v1/accounts/${alice}?prove=1`,
        `/v1/accounts/${none}`,
      ],
      '/v1/validators': ['/v1/validators', '/v1/validators?epoch=0&prove=1', '/v1/validators?epoch=77'],
      '/v1/nodes/{registration}': [
        `/v1/nodes/${toHex(served.solo.validator.publicKey)}?prove=1`,
        `/v1/nodes/${none}`,
      ],
      '/v1/epoch': ['/v1/epoch', '/v1/epoch?prove=1'],
      '/v1/shards': ['/v1/shards', '/v1/shards?prove=1'],
      '/v1/parameters': ['/v1/parameters', '/v1/parameters?prove=1'],
      '/v1/buckets/{id}': [
        `/v1/buckets/${toHex(bucketIdOf(network, ownerOf('alice'), BUCKET_NAME))}?prove=1`,
      ],
      '/v1/objects/{id}': [`/v1/objects/${none}?prove=1`],
    };
  };

  test.each(ROUTES.filter(({ method }) => method === 'GET').map(({ template }) => template))(
    '%s',
    async (template) => {
      const schema = answerSchema(template, 'get', '200');
      const paths = requests()[template];
      expect(paths, 'every route is asked').toBeDefined();
      for (const path of paths!) {
        const answer = await served.get(path === '' ? template : path);
        const checked = schema.safeParse(answer);
        expect(checked.error?.message, `${path}: ${JSON.stringify(answer).slice(0, 500)}`).toBeUndefined();
      }
    },
  );

  test('of a transaction that is handed in, and then waits', async () => {
    const { id, bytes } = served.solo.pay('alice', 3, 'bob', 1n);
    const headers = { 'content-type': 'application/octet-stream' };
    const { status, body } = await served.call('/v1/transactions', { method: 'POST', headers, body: bytes });
    expect(status).toBe(202);
    expect(answerSchema('/v1/transactions', 'post', '202').safeParse(body).success).toBe(true);
    const waiting = await served.get(`/v1/transactions/${toHex(id)}`);
    expect(waiting).toEqual({ status: 'waiting' });
    expect(answerSchema('/v1/transactions/{id}', 'get', '200').safeParse(waiting).success).toBe(true);
  });

  test('of refusals', async () => {
    const schema = answerSchema('/v1/blocks/{height}', 'get', 'default');
    for (const path of ['/v1/blocks/99', '/v1/blocks/x', '/nothing']) {
      const { status, body } = await served.call(path);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(schema.safeParse(body).success, path).toBe(true);
    }
  });

  test('and the schemas see what is wrong', async () => {
    const schema = answerSchema('/v1/epoch', 'get', '200');
    const answer = await served.get<{ value: object }>('/v1/epoch');
    expect(schema.safeParse({ ...answer, more: 1 }).success).toBe(false);
    expect(schema.safeParse({ ...answer, value: { ...answer.value, epoch: '0' } }).success).toBe(false);
  });
});
