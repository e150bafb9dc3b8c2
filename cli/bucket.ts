// `store bucket`: buckets of a key, and what they say about objects that are put into them.

import type { BucketOptions, BucketView } from '../src/client/name-types.ts';
import { StoreError } from '../src/base/errors.ts';
import { type Parse, parseCode, parseCount } from './args.ts';
import type { ClientFlags, CommandSpec, Context } from './command.ts';
import { KEY_OPTIONS } from './names.ts';
import type { OpenStore } from './open.ts';

const ACTIONS = ['ls', 'create', 'stat', 'set', 'rm'] as const;
type Action = (typeof ACTIONS)[number];

interface BucketFlags extends ClientFlags {
  /** Null: by operators. */
  readonly code?: { readonly k: number; readonly n: number } | null;
  readonly copies?: number;
  readonly encrypt?: boolean;
  readonly public?: boolean;
}

const parseCodeOrAuto: Parse = (text, where) => (text === 'auto' ? null : parseCode(text, where));

export const bucket: CommandSpec = {
  name: 'bucket',
  summary: 'list, make, show, change and remove buckets',
  operands: '[action] [name]',
  options: [
    {
      flags: '--code <k/n>',
      help: 'pieces of objects in it; "auto": by operators (default)',
      parse: parseCodeOrAuto,
    },
    { flags: '--copies <count>', help: 'whole copies instead of pieces', parse: parseCount(1, 255) },
    { flags: '--encrypt', help: 'encrypt names and objects (default)' },
    { flags: '--no-encrypt', help: 'names and objects in the clear' },
    { flags: '--public', help: 'in the clear, and gateways may show it to anybody' },
    { flags: '--no-public', help: 'gateways do not show it (default)' },
    ...KEY_OPTIONS,
  ],
  completes: ACTIONS,
  details: `Actions:
  ls              buckets with their policies (also without action)
  create BUCKET   make one
  stat BUCKET     show one
  set BUCKET      change what is said; encryption only while it is empty
  rm BUCKET       remove an empty one

Objects that are there stay as they are when a policy changes.`,
  async run(context, [action = 'ls', name], flags) {
    const known = ACTIONS.find((each) => each === action);
    if (known === undefined) {
      throw new StoreError('INVALID_ARGUMENT', `bucket has no action "${action}"`, {
        next: `Give one of ${ACTIONS.join(', ')}.`,
      });
    }
    if ((known === 'ls') !== (name === undefined)) {
      throw new StoreError(
        'INVALID_ARGUMENT',
        known === 'ls' ? 'too many arguments for "bucket ls"' : `bucket ${known} needs the name of a bucket`,
        {
          next:
            known === 'ls'
              ? 'To list what is in one: store ls store://BUCKET/.'
              : `store bucket ${known} BUCKET`,
        },
      );
    }
    const policy = policyIn(known, flags as BucketFlags);
    const bare = name === undefined ? '' : await bucketNamed(name);
    const { withStore } = await import('./open.ts');
    return withStore(context, flags as ClientFlags, (open) => ACTS[known](context, open, bare, policy));
  },
};

/** `photos`, `store://photos` and `store://photos/` are one bucket. Throws INVALID_ARGUMENT, INVALID_URI. */
async function bucketNamed(text: string): Promise<string> {
  const { isRemote } = await import('./names.ts');
  const { checkBucketName, parsePrefixUri } = await import('../src/client/names/path.ts');
  if (!isRemote(text)) return checkBucketName(text);
  const { bucket: name, prefix } = parsePrefixUri(text);
  if (prefix === '') return name;
  throw new StoreError('INVALID_ARGUMENT', `${text} is a name in a bucket, and a bucket is wanted`, {
    next: `Give ${name}.`,
  });
}

/** Throws INVALID_ARGUMENT for what contradicts itself, and for a policy where none is set. */
function policyIn(action: Action, { code, copies, encrypt, public: isPublic }: BucketFlags): BucketOptions {
  const given = [code, copies, encrypt, isPublic].some((value) => value !== undefined);
  const isSet = action === 'create' || action === 'set';
  if (given && !isSet) {
    throw new StoreError('INVALID_ARGUMENT', `bucket ${action} sets no policy`, {
      next: 'To change one: store bucket set BUCKET.',
    });
  }
  if (action === 'set' && !given) {
    throw new StoreError('INVALID_ARGUMENT', 'bucket set changes nothing', {
      next: 'Give --code, --copies, --encrypt, --no-encrypt, --public or --no-public.',
    });
  }
  if (code !== undefined && copies !== undefined) {
    throw new StoreError('INVALID_ARGUMENT', '--code and --copies exclude one another', {
      next: 'Give one of them.',
    });
  }
  const all = copies === undefined ? code : { k: 1, n: copies };
  const isEncrypted = encrypt ?? (isPublic === true ? false : undefined);
  return {
    ...(all === undefined ? {} : { code: all }),
    ...(isEncrypted === undefined ? {} : { isEncrypted }),
    ...(isPublic === undefined ? {} : { isPublic }),
  };
}

// ---- Actions -------------------------------------------------------------------------------------------------

type Act = (context: Context, open: OpenStore, name: string, policy: BucketOptions) => Promise<undefined>;

const ACTS: Readonly<Record<Action, Act>> = {
  ls: async ({ output }, { store, events }) => {
    const { table } = await import('./format.ts');
    const names = await store.buckets.list(events);
    const views = await Promise.all(names.map((name) => store.buckets.stat(name, events)));
    const rows = views.map((view) => [
      view.name,
      codeOf(view),
      readableBy(view),
      String(view.names),
      String(view.bytes),
    ]);
    output.result(
      views.length === 0 ? undefined : table(['BUCKET', 'CODE', 'READABLE', 'NAMES', 'BYTES'], rows),
      { buckets: views },
    );
    if (views.length === 0) output.note('there are no buckets yet; "store bucket create NAME" makes one');
    return undefined;
  },
  create: async ({ output }, { store, events }, name, policy) => {
    const view = await store.buckets.create(name, { ...events, ...policy });
    output.result(`store://${name}/`, { ...view });
    return undefined;
  },
  stat: async ({ output }, { store, events }, name) => show(output, await store.buckets.stat(name, events)),
  set: async ({ output }, { store, events }, name, policy) =>
    show(output, await store.buckets.change(name, { ...events, ...policy })),
  rm: async ({ output }, { store, events }, name) => {
    await store.buckets.delete(name, events);
    output.result(undefined, { name });
    output.note(`removed bucket ${name}`);
    return undefined;
  },
};

async function show(output: Context['output'], view: BucketView): Promise<undefined> {
  const { fields } = await import('./format.ts');
  const rows: [string, string][] = [
    ['bucket', `store://${view.name}/`],
    ['names', `${view.names}, ${view.bytes} bytes`],
    ['code', codeOf(view)],
    ['readable', readableBy(view)],
    ['created', `at height ${view.createdAtHeight} of the chain`],
  ];
  output.result(fields(rows), { ...view });
  return undefined;
}

function codeOf({ code }: BucketView): string {
  if (code === null) return 'by operators';
  return code.k === 1 ? `${code.n} copies` : `${code.k}/${code.n}`;
}

function readableBy({ isEncrypted, isPublic }: BucketView): string {
  if (isEncrypted) return 'with the key only';
  return isPublic ? 'by anybody' : 'by nodes and members';
}
