"""What the drawn backgrounds are made of: textures, a small ray caster, light, and a camera."""
