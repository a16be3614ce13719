let begin: () => void = () => undefined;

/** Kept once the live feed tells, or has had its time to begin: what is loaded from then on has no hole. */
export const feedTells = new Promise<void>((resolve) => (begin = resolve));

export function feedBegins(): void {
  begin();
}
