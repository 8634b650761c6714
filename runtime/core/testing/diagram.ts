/** The table of transitions as a Mermaid diagram and as the list of what its events are. */
import { EVENTS, type Event, TRANSITIONS } from '../transitions.ts';

export const BEGIN = '<!-- generated from runtime/core/transitions.ts: begin -->';
export const END = '<!-- generated: end -->';

export function lifecycle(): string {
  return `${['```mermaid', 'stateDiagram-v2', ...arrows(), '```', '', ...events()].join('\n')}\n`;
}

/** Events between the same two states share an arrow. */
function arrows(): string[] {
  const between = new Map<string, Event[]>();
  for (const [from, event, to] of TRANSITIONS) {
    const arrow = `${from === 'new' ? '[*]' : from} --> ${to === 'ended' ? '[*]' : to}`;
    between.set(arrow, [...(between.get(arrow) ?? []), event]);
  }
  return [...between].map(([arrow, label]) => `    ${arrow}: ${label.join(', ')}`);
}

function events(): string[] {
  const rows = (Object.keys(EVENTS) as Event[]).map(event => {
    const moves = TRANSITIONS.filter(row => row[1] === event).map(([from, , to]) => `${from} → ${to}`);
    return `| ${event} | ${moves.join(', ')} | ${EVENTS[event]} |`;
  });
  return ['| event | from → to | what happened |', '| --- | --- | --- |', ...rows];
}
