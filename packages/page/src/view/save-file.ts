/** A download that a person asked for; the address of the bytes is forgotten at once. */
export function saveFile(name: string, file: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** What is drawn at the moment, as PNG. */
export function savePicture(name: string, canvas: HTMLCanvasElement | undefined): void {
  canvas?.toBlob((file) => {
    if (file) saveFile(`${name}.png`, file);
  });
}
