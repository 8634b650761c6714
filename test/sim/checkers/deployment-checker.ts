/** O3: an invocation runs on the deployment that its service had when it began, or that it was moved to since. */

import type { DeploymentChoice } from '../../../runtime/partition/engine.ts';
import { addressOf } from '../../../runtime/partition/registration.ts';
import type { Report } from '../violation.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

export class DeploymentChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  /** Addresses of all that ever was registered. */
  readonly #addresses = new Map<string, string>();
  readonly #services = new Map<string, readonly string[]>();
  /** In the order of registration. */
  #registered: readonly string[] = [];
  readonly #pins = new Map<Life, string>();
  /** By service. */
  readonly #newest = new Map<string, string>();

  constructor(report: Report, lives: Lives) {
    this.#report = report;
    this.#lives = lives;
  }

  get registered(): readonly string[] {
    return this.#registered;
  }

  pinOf(life: Life): string | undefined {
    return this.#pins.get(life);
  }

  newestOf(life: Life): string | undefined {
    return this.#newest.get(life.target.service);
  }

  /** Before the attempts that it starts are looked at. */
  fact({ record: { command }, outcome, effects }: Fact): void {
    if (outcome === 'applied') {
      if (command.type === 'registerDeployment') {
        const { id, endpoint, services } = command.deployment;
        const names = services.map(({ name }) => name);
        this.#services.set(id, names);
        if (!this.#addresses.has(id)) {
          this.#registered = [...this.#registered, id];
          for (const name of names) this.#newest.set(name, id);
        }
        this.#addresses.set(id, addressOf(endpoint));
      } else if (command.type === 'promoteDeployment') {
        for (const name of this.#services.get(command.id) ?? []) this.#newest.set(name, command.id);
      } else if (command.type === 'removeDeployment') {
        this.#registered = this.#registered.filter(id => id !== command.id);
        for (const name of this.#services.get(command.id) ?? []) {
          if (this.#newest.get(name) !== command.id) continue;
          const next = this.#registered.findLast(id => this.#services.get(id)?.includes(name));
          if (next !== undefined) this.#newest.set(name, next);
        }
      } else if (command.type === 'resume' || command.type === 'restartAsNew') {
        const life = this.#lives.get(command.type === 'resume' ? command.id : command.minted.id);
        const earlier = command.type === 'restartAsNew' ? this.#lives.get(command.id) : undefined;
        const keeps = command.type === 'restartAsNew' && command.kept.entries.length > 1;
        const pin =
          command.deployment ?? (keeps && earlier !== undefined ? this.#pins.get(earlier) : undefined);
        if (life !== undefined && pin !== undefined) this.#pins.set(life, pin);
      }
    }
    for (const effect of effects) {
      const life = effect.type === 'startAttempt' ? this.#lives.get(effect.id) : undefined;
      const newest = life && this.newestOf(life);
      if (life === undefined || this.#pins.has(life) || newest === undefined) continue;
      this.#pins.set(life, newest);
    }
  }

  /** An attempt goes out, from the one that leads. */
  sent(life: Life, address: string): void {
    const pin = this.#pins.get(life);
    const expected = pin === undefined ? undefined : this.#addresses.get(pin);
    if (address !== expected)
      this.#report('O3', `${nameOf(life)} runs on ${address}, it belongs to ${pin} at ${expected}`);
  }

  /** An operator chose where it goes on; what could be meant when it was asked for, and what came of it. */
  resumed(
    life: Life,
    choice: DeploymentChoice,
    before: { pin: string | undefined; newest: string | undefined },
  ) {
    const pin = this.#pins.get(life);
    const wanted =
      choice === 'keep'
        ? [before.pin]
        : choice === 'latest'
          ? [before.newest, this.newestOf(life)]
          : [choice];
    if (!wanted.includes(pin)) {
      this.#report(
        'O3',
        `${nameOf(life)} was resumed on '${choice}', ${wanted.join(' or ')}, and is on ${pin}`,
      );
    }
  }
}
