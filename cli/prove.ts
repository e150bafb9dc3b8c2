// `store prove`: everything that the chain says of an object, in one file that proves itself.

import { StoreError } from '../src/base/errors.ts';
import type { ClientFlags, CommandSpec } from './command.ts';
import { KEY_OPTIONS } from './names.ts';

export const prove: CommandSpec = {
  name: 'prove',
  summary: 'write a bundle that proves what the chain says of an object',
  operands: '<uri> [file]',
  completes: 'files',
  options: [{ flags: '--force', help: 'replace the file if it exists' }, ...KEY_OPTIONS],
  details: `URI is a name, the URI of an object, or its id of 64 hex digits. The bundle has
the object's record and segments, the standings of its holders and the last
results of audits on the chain, with proofs and the blocks that lead there from
the founding of the network. It holds no key and opens nothing.
Whoever has it runs "store verify", which needs no network.

Examples:
  store prove store://photos/cat.jpg > cat.bundle
  store verify cat.bundle`,
  async run(context, [uri, path], flags) {
    const { checkTarget } = await import('./get-target.ts');
    const { withStore } = await import('./open.ts');
    const { output } = context;
    if (output.isJson && (path === undefined || path === '-')) {
      throw new StoreError('INVALID_ARGUMENT', '--json and the bundle cannot both go to standard output', {
        next: 'Name a file.',
      });
    }
    const checked = await checkTarget(path, flags['force'] === true);
    const made = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.care.prove(uri!, events),
    );
    const target = await checked.open();
    try {
      await target.write(made.bytes);
      await target.finish();
    } finally {
      await target.discard();
    }
    const { plural } = await import('./format.ts');
    const { proofJson, proofLine } = await import('./open-chain.ts');
    const { hex, trustJson } = await import('./bundle-show.ts');
    const { bundle, moment } = made;
    output.note(
      `${plural(bundle.records.length, 'record')} and ${plural(bundle.blocks.length, 'block')}: ${proofLine(moment)}`,
    );
    const trust = trustJson(bundle);
    if (trust !== null) {
      output.warn(
        `the bundle does not reach back to the founding: whoever verifies it has to trust block ${trust.height}, with --trust-height ${trust.height} --trust-hash ${trust.hash}`,
      );
    }
    if (!output.isJson) return undefined;
    output.result(undefined, {
      object: hex(bundle.object),
      network: hex(bundle.network),
      file: target.name,
      size: made.bytes.length,
      records: bundle.records.length,
      blocks: bundle.blocks.length,
      trust,
      ...proofJson(moment),
    });
    return undefined;
  },
};
