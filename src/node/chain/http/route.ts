// What a route is. One table of them (`routes.ts`) makes both the server and the OpenAPI document, so neither has what the other lacks.

import { z } from 'zod';
import { fromHex } from '../../../base/bytes.ts';
import { StoreError } from '../../../base/errors.ts';
import type { NetworkId } from '../../../base/ids.ts';
import { CHAIN_WAIT_MS_MAX, HEIGHT_MAX } from '../../../base/limits.ts';
import type { AuditView } from '../../audit/audit-view.ts';
import type { ChainStatus } from '../chain-service.ts';
import type { ChainQueries } from '../queries.ts';
import type { ChainStore } from '../types.ts';
import type { JsonObject } from './json.ts';

/** What the routes stand on. */
export interface RoutePorts {
  /** Throws BUSY while there is no chain to ask: its state is being fetched. */
  readonly queries: ChainQueries;
  /** What is on the disk at any time. */
  readonly store: Pick<ChainStore, 'head' | 'oldestBlock' | 'oldestState'>;
  readonly networkId: NetworkId;
  readonly status: () => Pick<ChainStatus, 'role' | 'epoch' | 'waitingTransactions' | 'fetching'>;
  /** What the last audits asked of the node. Throws BUSY while it does not know what it holds. */
  readonly audits: () => Promise<AuditView>;
  /** Whether the transaction of this id (hex) waits for a block here. */
  readonly isWaiting: (id: string) => boolean;
}

/** A request whose parameters are in form. */
export interface Asked<P, Q> {
  readonly path: P;
  readonly query: Q;
  /** Of a POST; empty otherwise. */
  readonly body: Uint8Array;
  /** Fires when the caller goes away or the server stops. */
  readonly signal: AbortSignal;
}

type Shape = Readonly<Record<string, z.ZodType>>;
type Values<S extends Shape> = { readonly [name in keyof S]: z.output<S[name]> };

export interface RouteOf<P extends Shape, Q extends Shape> {
  readonly method: 'GET' | 'POST';
  /** Segments; those in braces are parameters. */
  readonly template: string;
  /** Name of the operation in the document. */
  readonly name: string;
  readonly summary: string;
  readonly path: P;
  readonly query: Q;
  readonly status: 200 | 202;
  readonly answer: z.ZodType;
  handle(ports: RoutePorts, asked: Asked<Values<P>, Values<Q>>): Promise<JsonObject>;
}

export interface Route extends Omit<RouteOf<Shape, Shape>, 'handle'> {
  /** Of texts as they stand in the request. Throws INVALID_ARGUMENT, and what the answer throws. */
  run(ports: RoutePorts, request: RawRequest): Promise<JsonObject>;
}

export interface RawRequest extends Omit<Asked<unknown, unknown>, 'path' | 'query'> {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

export function route<P extends Shape, Q extends Shape>(spec: RouteOf<P, Q>): Route {
  const pathSchema = z.strictObject(spec.path);
  const querySchema = z.strictObject(spec.query);
  return {
    ...spec,
    run: async (ports, { path, query, body, signal }) =>
      spec.handle(ports, {
        path: parsed(pathSchema, path) as Values<P>,
        query: parsed(querySchema, query) as Values<Q>,
        body,
        signal,
      }),
  };
}

/** Throws INVALID_ARGUMENT that names the parameter. */
function parsed(schema: z.ZodType, values: Readonly<Record<string, string>>): unknown {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'parameters' : issue.path.join('.');
  throw new StoreError('INVALID_ARGUMENT', `${where}: ${issue?.message ?? 'not in form'}`.slice(0, 200), {
    next: 'GET /openapi.json says what each route takes.',
  });
}

// ---- Parameters --------------------------------------------------------------------------------------------------

/** `type` is what the document says of a text that stands for something else. */
function whole(max: number, description: string): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^(0|[1-9][0-9]{0,15})$/, 'not a whole number')
    .transform(Number)
    .refine((value) => value <= max, `above ${max}`)
    .meta({ type: 'integer', minimum: 0, maximum: max, description });
}

export const HEIGHT: z.ZodType<number, string> = whole(HEIGHT_MAX, 'Height of a block.');
export const EPOCH_NUMBER: z.ZodType<number, string> = whole(2 ** 32 - 1, 'Number of an epoch.');
export const PART: z.ZodType<number, string> = whole(2 ** 32 - 1, 'Which record of its segments to show.');
export const AT_LEAST: z.ZodType<number, string> = whole(
  HEIGHT_MAX,
  'The answer is to be of the state after this height or a later one.',
);
export const WAIT_MS: z.ZodType<number, string> = whole(
  CHAIN_WAIT_MS_MAX,
  'How long to wait for what is not there yet. 0 if absent.',
);

export const FLAG: z.ZodType<boolean, string> = z
  .enum(['0', '1'])
  .transform((value) => value === '1')
  .meta({ description: 'With 1 the answer carries its proof.' });

/** 32 bytes in the path of a URL. */
export function idOf<T extends Uint8Array>(description: string): z.ZodType<T, string> {
  return z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hexadecimal digits')
    .transform((text) => fromHex(text) as T)
    .meta({ description });
}
