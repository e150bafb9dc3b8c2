// The OpenAPI document, made from the table of routes: nothing is described that is not served, and the other way round.

import { z } from 'zod';
import type { Json, JsonObject } from './json.ts';
import type { Route } from './route.ts';
import { ROUTES } from './routes.ts';
import { ERROR, TO_SUBMIT } from './schemas.ts';

/** Of the interface: the paths begin with it. */
const VERSION = '1';

export function openApi(): JsonObject {
  const components = new Map<string, Json>();
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output' = 'output'): Json =>
    describe(schema, io, components);
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) {
    const operations = (paths[route.template] ??= {});
    operations[route.method.toLowerCase()] = operationOf(route, schemaOf);
  }
  const schemas = [...components].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast chain',
      version: VERSION,
      description:
        'What a node says about its chain to programs of the same machine. Bytes are lower-case hexadecimal digits, integers of 64 bits decimal text. docs/rpc.md says more.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: 'http://127.0.0.1:{port}', variables: { port: { default: '4003' } } }],
    paths,
    components: { schemas: Object.fromEntries(schemas) },
  };
}

type SchemaOf = (schema: z.ZodType, io?: 'input' | 'output') => Json;

function operationOf(route: Route, schemaOf: SchemaOf): JsonObject {
  const parameters = [
    ...Object.entries(route.path).map(([name, schema]) => parameterOf('path', name, schema, schemaOf)),
    ...Object.entries(route.query).map(([name, schema]) => parameterOf('query', name, schema, schemaOf)),
  ];
  return {
    operationId: route.name,
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.method === 'POST' ? { requestBody: bodyOf(schemaOf) } : {}),
    responses: {
      [String(route.status)]: answerOf('The answer.', schemaOf(route.answer)),
      default: answerOf('A refusal; its code says which.', schemaOf(ERROR)),
    },
  };
}

function parameterOf(where: 'path' | 'query', name: string, schema: z.ZodType, schemaOf: SchemaOf): Json {
  const { description, ...form } = schemaOf(schema, 'input') as JsonObject;
  return { name, in: where, required: where === 'path', description: description ?? '', schema: form };
}

function bodyOf(schemaOf: SchemaOf): Json {
  return {
    required: true,
    description: 'The bytes of the transaction: as they are, or as text in JSON.',
    content: {
      'application/octet-stream': {},
      'application/json': { schema: schemaOf(TO_SUBMIT, 'input') },
    },
  };
}

function answerOf(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } };
}

/** The schema, with those that have a name put among the components. */
function describe(schema: z.ZodType, io: 'input' | 'output', components: Map<string, Json>): Json {
  const found = z.toJSONSchema(schema, { io, override: ({ jsonSchema }) => tidied(jsonSchema) });
  const {
    $schema: _,
    $defs = {},
    ...own
  } = JSON.parse(JSON.stringify(found)) as Readonly<Record<string, Json>> & {
    readonly $defs?: Readonly<Record<string, JsonObject>>;
  };
  for (const [name, definition] of Object.entries($defs)) components.set(name, referring(definition));
  return referring(own);
}

/** A number that stands in a URL is text for us alone. */
function tidied(schema: { type?: unknown; pattern?: unknown; maximum?: unknown }): void {
  if (schema.type === 'integer') delete schema.pattern;
}

const DEFINITION = '#/$defs/';

/** With names of definitions turned into those of components. */
function referring(json: Json): Json {
  if (Array.isArray(json)) return json.map(referring);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json as JsonObject).map(([name, value]) =>
      name === '$ref' && typeof value === 'string'
        ? [name, value.replace(DEFINITION, '#/components/schemas/')]
        : [name, referring(value)],
    ),
  );
}
