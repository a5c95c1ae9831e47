/** Copies a text. On plain http in a LAN there is no clipboard to write to: then the field's own text is copied. */
export async function copy(text: string, field: HTMLInputElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const shown = field.value;
    field.value = text;
    field.select();
    const done = document.execCommand('copy');
    field.value = shown;
    return done;
  }
}
