// `store rm`: removes an object by its owner's key, and says which nodes could not be told.

import { CLIENT_OPTIONS, type ClientFlags, type CommandSpec } from './command.ts';
import { EXIT } from './errors.ts';

export const rm: CommandSpec = {
  name: 'rm',
  summary: 'remove an object that this home owns',
  operands: '<uri>',
  options: CLIENT_OPTIONS,
  details: `Only the owner's key can remove. Nodes that are down now may keep bytes until
they are asked again; the exit code is then 4.`,
  async run(context, [uri], flags) {
    const { withStore } = await import('./open.ts');
    const { plural, shortId } = await import('./format.ts');
    const { splitUri } = await import('../src/client/uri.ts');
    splitUri(uri!);
    const result = await withStore(context, flags as ClientFlags, ({ store, events }) =>
      store.remove(uri!, events),
    );
    const { nodes, removedEntries, unreachable } = result;
    context.output.note(
      `removed ${plural(removedEntries, 'entry', 'entries')} from ${plural(nodes, 'node')}`,
    );
    if (unreachable.length > 0) {
      context.output.warn(`not reached, may still hold bytes: ${unreachable.map(shortId).join(' ')}`);
    }
    context.output.result(undefined, { uri, nodes, removedEntries, unreachable });
    return unreachable.length > 0 ? EXIT.PARTIAL : EXIT.OK;
  },
};
