/**
 * O3: an invocation runs on the deployment that was the newest when it began, or that it was moved to since. All
 * deployments here offer the same services.
 */

import type { DeploymentChoice } from '../../../runtime/partition/engine.ts';
import type { Report } from '../violation.ts';
import { type Life, type Lives, nameOf } from './lives.ts';
import type { Fact } from './log-checker.ts';

export class DeploymentChecker {
  readonly #report: Report;
  readonly #lives: Lives;
  /** Addresses of all that ever was registered. */
  readonly #arns = new Map<string, string>();
  /** In the order of registration. */
  #registered: readonly string[] = [];
  readonly #pins = new Map<Life, string>();
  newest: string | undefined;

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

  /** Before the attempts that it starts are looked at. */
  fact({ record: { command }, outcome, effects }: Fact): void {
    if (outcome === 'applied') {
      if (command.type === 'registerDeployment') {
        const { id, arn } = command.deployment;
        if (!this.#arns.has(id)) {
          this.newest = id;
          this.#registered = [...this.#registered, id];
        }
        this.#arns.set(id, arn);
      } else if (command.type === 'promoteDeployment') this.newest = command.id;
      else if (command.type === 'removeDeployment') {
        this.#registered = this.#registered.filter(id => id !== command.id);
        if (this.newest === command.id) this.newest = this.#registered.at(-1);
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
      if (life === undefined || this.#pins.has(life) || this.newest === undefined) continue;
      this.#pins.set(life, this.newest);
    }
  }

  /** An attempt goes out, from the one that leads. */
  sent(life: Life, arn: string): void {
    const pin = this.#pins.get(life);
    const expected = pin === undefined ? undefined : this.#arns.get(pin);
    if (arn !== expected)
      this.#report('O3', `${nameOf(life)} runs on ${arn}, it belongs to ${pin} at ${expected}`);
  }

  /** An operator chose where it goes on; what could be meant when it was asked for, and what came of it. */
  resumed(
    life: Life,
    choice: DeploymentChoice,
    before: { pin: string | undefined; newest: string | undefined },
  ) {
    const pin = this.#pins.get(life);
    const wanted =
      choice === 'keep' ? [before.pin] : choice === 'latest' ? [before.newest, this.newest] : [choice];
    if (!wanted.includes(pin)) {
      this.#report(
        'O3',
        `${nameOf(life)} was resumed on '${choice}', ${wanted.join(' or ')}, and is on ${pin}`,
      );
    }
  }
}
